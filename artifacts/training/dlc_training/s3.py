"""Fetches one object from S3: the SageMaker SDK puts the user's code there. Signature version 4, with the job's credentials."""
import datetime
import hashlib
import hmac
import json
import os
import shutil
import urllib.error
import urllib.parse
import urllib.request

from dlc_training.errors import TrainingError

EMPTY = hashlib.sha256(b"").hexdigest()
METADATA = "http://169.254.169.254/latest"
CONTAINER = "http://169.254.170.2"


def read(url, headers=None, method="GET", seconds=5):
    request = urllib.request.Request(url, headers=headers or {}, method=method)
    with urllib.request.urlopen(request, timeout=seconds) as answer:
        return answer.read()


def instance_credentials():
    """Of the instance's role (instance metadata, version 2)."""
    token = read(f"{METADATA}/api/token", {"X-aws-ec2-metadata-token-ttl-seconds": "300"}, "PUT", 2).decode()
    headers = {"X-aws-ec2-metadata-token": token}
    folder = f"{METADATA}/meta-data/iam/security-credentials/"
    return json.loads(read(folder + read(folder, headers).decode().split()[0], headers))


def credentials(variables):
    """(key id, secret, session token): of the environment, the container's endpoint, or the instance."""
    if variables.get("AWS_ACCESS_KEY_ID") and variables.get("AWS_SECRET_ACCESS_KEY"):
        names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
        return tuple(variables.get(name, "") for name in names)
    try:
        url = variables.get("AWS_CONTAINER_CREDENTIALS_FULL_URI")
        if variables.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"):
            url = CONTAINER + variables["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"]
        if url:
            token = variables.get("AWS_CONTAINER_AUTHORIZATION_TOKEN")
            found = json.loads(read(url, {"Authorization": token} if token else {}))
        else:
            found = instance_credentials()
        return found["AccessKeyId"], found["SecretAccessKey"], found.get("Token", "")
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise TrainingError(f"no credentials for S3: {error}") from None


def signed_headers(url, region, keys, now, extra=None):
    """The headers of a GET of `url` with its Authorization (AWS Signature Version 4)."""
    key_id, secret, token = keys
    parts = urllib.parse.urlsplit(url)
    stamp = now.strftime("%Y%m%dT%H%M%SZ")
    headers = {"host": parts.netloc, "x-amz-content-sha256": EMPTY, "x-amz-date": stamp, **(extra or {})}
    if token:
        headers["x-amz-security-token"] = token
    names = ";".join(sorted(headers))
    lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    canonical = f"GET\n{parts.path}\n{parts.query}\n{lines}\n{names}\n{EMPTY}"
    scope = f"{stamp[:8]}/{region}/s3/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    headers["Authorization"] = f"AWS4-HMAC-SHA256 Credential={key_id}/{scope},SignedHeaders={names},Signature={signature}"
    return headers


def address(uri, region, variables):
    """The URL of s3://bucket/key."""
    bucket, _, key = uri[len("s3://") :].partition("/")
    if not bucket or not key:
        raise TrainingError(f"{uri} is not s3://BUCKET/KEY")
    quoted = urllib.parse.quote(key, safe="/-_.~")
    for name in ("S3_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"):
        if variables.get(name):
            return f"{variables[name].rstrip('/')}/{bucket}/{quoted}"
    domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    if "." in bucket:  # the certificate does not cover such names
        return f"https://s3.{region}.{domain}/{bucket}/{quoted}"
    return f"https://{bucket}.s3.{region}.{domain}/{quoted}"


def download(uri, path, region, variables=None):
    variables = os.environ if variables is None else variables
    region = region or "us-east-1"
    url = address(uri, region, variables)
    headers = signed_headers(url, region, credentials(variables), datetime.datetime.now(datetime.timezone.utc))
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=60) as answer, open(path, "wb") as file:
            shutil.copyfileobj(answer, file)
    except urllib.error.HTTPError as error:
        detail = error.read(500).decode("utf-8", "replace").replace("\n", " ")
        raise TrainingError(f"{uri} cannot be fetched: {error.code} {error.reason}. {detail}") from None
    except OSError as error:
        raise TrainingError(f"{uri} cannot be fetched from {urllib.parse.urlsplit(url).netloc}: {error}") from None
