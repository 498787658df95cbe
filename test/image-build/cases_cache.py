"""--cache-to and --cache-from: steps and their layers from one store to another."""
import json
import os
import pathlib
import shutil

from bench import Layout, contains, equal, expect

STAGES = ("FROM BASE AS tool\nCOPY in.txt /in.txt\nRUN wc -c </in.txt >/made && date +%s%N >/when\n"
          "FROM BASE\nCOPY --from=tool /made /when /\nRUN echo $(date +%s%N) >/last\n")


def ran(done):
    """How many steps ran, from the closing line."""
    line = [line for line in done.err.splitlines() if line.startswith("image sha256:")][-1]
    return int(line.split("(")[1].split()[0])


def blobs(directory):
    return sorted(p for p in (pathlib.Path(directory) / "blobs/sha256").iterdir())


def export(t, mode, name="cache"):
    context = t.context(STAGES, in_txt="12345")
    t.fresh_store()
    t.build("-t", "cached:1", "--cache-to", f"type=local,dest={t.home}/{name},mode={mode}", context)
    return context, t.inspect("cached:1")["digest"]


def elsewhere(t, name):
    """Another store with the same base."""
    archive = t.shared.work / "base.tar"
    t.store = t.home / name
    t.dlc("image", "load", "-i", archive)


def check_another_store_runs_nothing(t):
    for mode in ("min", "max"):
        context, made = export(t, mode, mode)
        elsewhere(t, "second-" + mode)
        done = t.build("-t", "cached:1", "--cache-from", f"type=local,src={t.home}/{mode}", context)
        equal(ran(done), 0, f"steps run with mode={mode}:\n{done.err}")
        equal(t.inspect("cached:1")["digest"], made, "digest")
        t.dlc("store", "check")
        done = t.build(context)
        equal(ran(done), 0, "the second time, without the cache")
        contains(t.run_image("cached:1", "cat", "/made"), "5")


def check_modes(t):
    context, _ = export(t, "min", "min")
    few = json.loads(Layout(t.home / "min").blob(json.loads(Layout(t.home / "min").blob(
        Layout(t.home / "min").root()["digest"]))["config"]["digest"]))
    t.build("--cache-to", f"type=local,dest={t.home}/max,mode=max", context)
    many = json.loads(Layout(t.home / "max").blob(json.loads(Layout(t.home / "max").blob(
        Layout(t.home / "max").root()["digest"]))["config"]["digest"]))
    equal(few["schema"], "dlc.cache/1")
    equal(len(many["steps"]) - len(few["steps"]), 2, "steps of the first stage")
    # a change of the last step takes the first stage from a full cache only
    (context / "Dockerfile").write_text((context / "Dockerfile").read_text() + "RUN true\n")
    (context / "other.txt").write_text("x")
    elsewhere(t, "third")
    text = (context / "Dockerfile").read_text().replace("COPY --from=tool /made /when /", "COPY --from=tool /made /")
    (context / "Dockerfile").write_text(text)
    done = t.build("--cache-from", f"type=local,src={t.home}/max", context)
    equal(ran(done), 3, done.err)


def check_a_full_cache_stays_full(t):
    """Results that were offered and not needed are written again."""
    context, _ = export(t, "max")
    elsewhere(t, "second")
    t.build("--cache-from", f"type=local,src={t.home}/cache", "--cache-to", f"type=local,dest={t.home}/again,mode=max", context)
    equal([b.name for b in blobs(t.home / "again") if b.stat().st_size > 2000],
          [b.name for b in blobs(t.home / "cache") if b.stat().st_size > 2000])
    equal(Layout(t.home / "again").root()["digest"], Layout(t.home / "cache").root()["digest"])


def check_damage_is_a_warning_and_a_miss(t):
    context, made = export(t, "max")
    good = t.home / "cache"
    layout = Layout(good)
    manifest = layout.document(layout.root()["digest"])

    def attempt(name, change, warns="cache"):
        copy = t.home / name
        shutil.copytree(good, copy)
        change(copy)
        elsewhere(t, "store-" + name)
        done = t.build("-t", "cached:1", "--cache-from", f"type=local,src={copy}", context)
        expect(ran(done) > 0, f"{name}: nothing ran")
        contains(done.err.lower(), warns)
        contains(t.run_image("cached:1", "cat", "/made"), "5")
        t.dlc("store", "check")

    def flip(path):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 0xFF
        path.write_bytes(bytes(data))

    def every_layer(change):
        return lambda copy: [change(copy / "blobs/sha256" / layer["digest"][7:]) for layer in manifest["layers"]]

    config = "blobs/sha256/" + manifest["config"]["digest"][7:]
    attempt("layers-changed", every_layer(flip), "a result of the cache")
    attempt("layers-missing", every_layer(os.unlink), "a result of the cache")
    attempt("config-changed", lambda copy: flip(copy / config), "is not used")
    attempt("index-missing", lambda copy: (copy / "index.json").unlink(), "is not used")
    attempt("nothing-there", shutil.rmtree, "is not used")


def check_a_lying_cache(t):
    """Digests that fit, and layers that are not what the list says: not one of them is kept."""
    context, _ = export(t, "max")
    place = t.home / "cache"
    layout = Layout(place)
    root = layout.root()
    manifest = layout.document(root["digest"])
    listed = layout.document(manifest["config"]["digest"])
    own = [layer for layer in listed["layers"] if not layer["base"]]
    expect(len(own) > 1, "nothing to swap")
    for layer, other in zip(own, own[1:] + own[:1]):
        layer["diff_id"], layer["digest"], layer["size"] = layer["diff_id"], other["digest"], other["size"]

    def put(document):
        import hashlib
        data = json.dumps(document).encode()
        name = hashlib.sha256(data).hexdigest()
        (place / "blobs/sha256" / name).write_bytes(data)
        return {"digest": "sha256:" + name, "size": len(data)}

    listed["layers"] = [other for other in listed["layers"]]
    manifest["config"].update(put(listed))
    root.update(put(manifest))
    (place / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [root]}))
    elsewhere(t, "second")
    done = t.build("-t", "cached:1", "--cache-from", f"type=local,src={place}", context)
    contains(done.err, "unpacks to")
    expect(ran(done) > 0, "a swapped layer was believed")
    contains(t.run_image("cached:1", "cat", "/made"), "5")
    t.dlc("store", "check")


def check_foreign_caches(t):
    context = t.context(STAGES, in_txt="12345")
    t.build("-o", f"type=oci,tar=false,dest={t.home}/image", context)
    done = t.build("--no-cache", "--cache-from", f"type=local,src={t.home}/image", context)
    contains(done.err, "it is not a cache of this program")


def check_registry(t):
    host, registry = t.registry()
    context = t.context(STAGES, in_txt="12345")
    t.fresh_store()
    t.build("-t", "cached:1", "--cache-to", f"type=registry,ref={host}/cache:main,mode=max", context)
    made = t.inspect("cached:1")["digest"]
    expect(("cache", "main") in registry.manifests, "nothing was pushed")
    elsewhere(t, "second")
    done = t.build("-t", "cached:1", "--cache-from", f"{host}/cache:main", context)
    equal(ran(done), 0, done.err)
    equal(t.inspect("cached:1")["digest"], made)


def check_secrets_do_not_travel(t):
    from bench import search
    secret = "a-secret-that-must-not-travel-5501"
    t.write("secret", secret)
    context = t.context("FROM BASE\nRUN --mount=type=secret,id=s,required test -s /run/secrets/s\n")
    t.build("--secret", f"id=s,src={t.home}/secret", "--cache-to", f"type=local,dest={t.home}/cache,mode=max", context)
    equal(search(t.home / "cache", secret.encode()), [])


def check_wrong_options(t):
    context = t.context("FROM scratch\nCOPY Dockerfile /\n")
    for option, spec, text in (
        ("--cache-to", "type=gha", "no support for type=gha"),
        ("--cache-from", "type=s3,bucket=x", "no support for type=s3"),
        ("--cache-to", "type=inline", "type=inline is not there"),
        ("--cache-to", "type=local", "dest=DIR is missing"),
        ("--cache-from", "type=local,src=x,colour=red", "unknown key colour"),
        ("--cache-to", "type=local,dest=x,mode=most", "mode=most is not known"),
    ):
        contains(t.build(option, spec, context, status=1).err, text)
    t.write("file", "")
    done = t.build("--cache-to", f"type=local,dest={t.home}/file", context, status=1)
    contains(done.err, "file")
    t.build("--cache-to", f"type=local,dest={t.home}/file,ignore-error=true", context)
