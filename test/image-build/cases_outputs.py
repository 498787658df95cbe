"""--output in all its forms, --push, --iidfile, --metadata-file, -q."""
import json
import os
import tarfile

from bench import Layout, contains, digest, equal, expect

OCI_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
OCI_ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd"
OCI_TAR = "application/vnd.oci.image.layer.v1.tar"
FILE = "FROM BASE\nRUN echo hello >/hello\nCMD [\"cat\", \"/hello\"]\n"


def types(layout):
    return [[layer["mediaType"] for layer in manifest["layers"]] for _, manifest, _ in layout.images()]


def check_compressions(t):
    context = t.context(FILE)
    base_layers = len(t.inspect("base.test/base:1")["layers"])
    for word, media in (("gzip", OCI_GZIP), ("zstd", OCI_ZSTD), ("uncompressed", OCI_TAR)):
        place = t.home / word
        t.build("-o", f"type=oci,tar=false,dest={place},compression={word}", context)
        found = types(Layout(place))[0]
        equal(found[base_layers:], [media], f"own layers with {word}")
        equal(set(found[:base_layers]), {OCI_GZIP}, "the base's layers")
        for _, manifest, config in Layout(place).images():
            _, files = Layout(place).files(manifest)
            equal(files["hello"], b"hello\n")
    forced = t.home / "forced"
    t.build("-o", f"type=oci,tar=false,dest={forced},compression=zstd,force-compression=true", context)
    equal(set(types(Layout(forced))[0]), {OCI_ZSTD}, "all layers, forced")


def check_compression_level(t):
    context = t.context("FROM BASE\nRUN i=0; while [ $i -lt 3000 ]; do echo line $i $((i*i)); i=$((i+1)); done >/f\n")
    sizes = []
    for level in (1, 19):
        place = t.home / str(level)
        t.build("-o", f"type=oci,tar=false,dest={place},compression=zstd,compression-level={level}", context)
        (_, manifest, _), = Layout(place).images()
        sizes.append(manifest["layers"][-1]["size"])
    expect(sizes[1] < sizes[0], f"level 19 is not smaller than level 1: {sizes}")
    done = t.build("-o", f"type=oci,dest={t.home}/x.tar,compression-level=99", context, status=1)
    contains(done.err, "compression-level=99 is out of range")
    done = t.build("-o", "type=image,compression=estargz", context, status=1)
    contains(done.err, "compression=estargz is not made here")


def check_docker_media_types(t):
    place = t.home / "docker"
    context = t.context(FILE)
    t.build("-o", f"type=oci,tar=false,dest={place},oci-mediatypes=false", context)
    (_, manifest, _), = Layout(place).images()
    equal(manifest["mediaType"], "application/vnd.docker.distribution.manifest.v2+json")
    equal(manifest["config"]["mediaType"], "application/vnd.docker.container.image.v1+json")
    equal({layer["mediaType"] for layer in manifest["layers"]}, {"application/vnd.docker.image.rootfs.diff.tar.gzip"})
    # what Docker's types cannot say turns OCI's on
    place = t.home / "oci"
    t.build("-o", f"type=oci,tar=false,dest={place},oci-mediatypes=false", "--annotation", "a=b", context)
    (_, manifest, _), = Layout(place).images()
    equal(manifest["mediaType"], "application/vnd.oci.image.manifest.v1+json")
    equal(manifest["annotations"], {"a": "b"})


def check_several_outputs_at_once(t):
    context = t.context(FILE)
    t.build("-t", "several:1", "-o", "type=image", "-o", f"type=oci,dest={t.home}/a.tar", "-o",
            f"type=docker,dest={t.home}/b.tar,name=other:2", "-o", f"type=local,dest={t.home}/tree", "-o",
            f"type=tar,dest={t.home}/flat.tar", context)
    equal((t.home / "tree/hello").read_text(), "hello\n")
    with tarfile.open(t.home / "flat.tar") as tar:
        equal(tar.extractfile("hello").read(), b"hello\n")
    with tarfile.open(t.home / "b.tar") as tar:
        equal(json.load(tar.extractfile("manifest.json"))[0]["RepoTags"], ["other:2"])
    equal(Layout(t.home / "a.tar").root()["digest"], t.inspect("several:1")["digest"])
    t.inspect("other:2")
    done = t.build("-o", "type=tar", "-o", "type=oci", context, status=1)
    contains(done.err, "only one output can go to standard output")


def check_a_directory_that_is_there(t):
    """It stays the user's: its owner, mode and time; and nothing is written through a link in it."""
    place = t.home / "there"
    place.mkdir()
    place.chmod(0o2770)
    os.chown(place, 0, 12)
    os.utime(place, (0, 946684800))
    outside = t.home / "outside"
    outside.mkdir()
    (place / "d").symlink_to(outside)
    (place / "own").write_text("mine")
    before = place.stat()
    t.build("-o", f"type=local,dest={place}", t.context("FROM scratch\nCOPY f /f\nCOPY f /d/f\n", f="x"))
    after = place.stat()
    equal((after.st_mode, after.st_uid, after.st_gid), (before.st_mode, before.st_uid, before.st_gid))
    equal((place / "own").read_text(), "mine")
    equal(((place / "d/f").read_text(), (place / "d").is_symlink(), list(outside.iterdir())), ("x", False, []))
    done = t.build("-o", f"type=local,dest={place}", t.context("FROM scratch\nCOPY f /d\n", name="file", f="x"), status=1)
    contains(done.err, f"{place}/d is a directory, and the build has a file there")
    equal((place / "d/f").read_text(), "x")


def check_standard_output(t):
    context = t.context(FILE)
    done = t.build("-o", "-", context)
    (t.home / "flat.tar").write_bytes(done.raw)
    with tarfile.open(t.home / "flat.tar") as tar:
        equal(tar.extractfile("hello").read(), b"hello\n")
    done = t.build("-o", "type=oci,dest=-", context)
    (t.home / "oci.tar").write_bytes(done.raw)
    expect(len(list(Layout(t.home / "oci.tar").images())) == 1, "no image in the archive")


def check_names_and_store(t):
    context = t.context(FILE)
    t.build("-o", '"type=image,""name=names:a,names:b"""', context, status=1)  # a quoted field is one field
    t.build("-o", 'type=image,"name=names:a,names:b"', context)
    equal(t.inspect("names:a")["digest"], t.inspect("names:b")["digest"])
    t.build("-t", "names:unkept", "-o", "type=image,store=false", context)
    t.dlc("image", "inspect", "names:unkept", status=None)
    expect(t.dlc("image", "inspect", "names:unkept", status=None).status != 0, "store=false named the image")


def check_epoch_reaches_every_file(t):
    context = t.context("FROM BASE\nRUN mkdir /d && echo x >/d/f && ln -s f /d/l\n")
    env = {"SOURCE_DATE_EPOCH": "1600000000"}
    t.build("-o", f"type=local,dest={t.home}/tree", "-o", f"type=tar,dest={t.home}/flat.tar", context, env=env)
    for name in ("d", "d/f", "d/l", "bin/busybox"):
        equal(int(os.lstat(t.home / "tree" / name).st_mtime), 1600000000, name)
    with tarfile.open(t.home / "flat.tar") as tar:
        equal({info.mtime for info in tar}, {1600000000})
    t.build("-o", f"type=oci,tar=false,dest={t.home}/oci,rewrite-timestamp=true", context, env=env)
    (_, manifest, config), = Layout(t.home / "oci").images()
    equal(config["created"], "2020-09-13T12:26:40Z")
    infos, _ = Layout(t.home / "oci").files({"layers": manifest["layers"][-1:]})
    equal({info.mtime for info in infos.values() if info.name.startswith("d")}, {1600000000})
    again = t.home / "again"
    t.build("--no-cache", "-o", f"type=oci,tar=false,dest={again}", "--build-arg", "SOURCE_DATE_EPOCH=1600000000", context)
    equal(Layout(again).root()["digest"], Layout(t.home / "oci").root()["digest"], "built anew")
    done = t.build("-o", f"type=oci,tar=false,dest={t.home}/w,rewrite-timestamp=true", context)
    contains(done.err, "rewrite-timestamp has no effect without SOURCE_DATE_EPOCH")


def check_push(t):
    host, registry = t.registry()
    context = t.context(FILE)
    t.build("--push", "-t", f"{host}/app:1", "--metadata-file", t.home / "meta.json", context)
    text, media = registry.manifests["app", "1"]
    equal(media, "application/vnd.oci.image.manifest.v1+json")
    meta = json.loads((t.home / "meta.json").read_text())
    equal(meta["containerimage.digest"], digest(text))
    t.build("-o", f"type=registry,name={host}/app:2,compression=zstd", context)
    text, _ = registry.manifests["app", "2"]
    equal(json.loads(text)["layers"][-1]["mediaType"], OCI_ZSTD)
    t.build("-o", f"type=image,push=true,push-by-digest=true,name={host}/bydigest", context)
    expect(("bydigest", "latest") not in registry.manifests, "push-by-digest set a tag")
    expect(any(name == "bydigest" for name, _ in registry.manifests), "push-by-digest pushed nothing")
    done = t.build("--push", context, status=1)
    contains(done.err, "tag is needed when pushing to registry")


def check_metadata_file(t):
    context = t.context(FILE)
    t.build("-t", "meta:1", "--metadata-file", t.home / "meta.json", "--iidfile", t.home / "iid", context)
    meta = json.loads((t.home / "meta.json").read_text())
    image = t.inspect("meta:1")
    equal((t.home / "iid").read_text(), image["digest"], "--iidfile")
    equal(sorted(meta), ["containerimage.config.digest", "containerimage.descriptor", "containerimage.digest", "image.name"])
    equal(meta["containerimage.digest"], image["digest"])
    equal(meta["containerimage.config.digest"], image["manifest"]["config"]["digest"])
    equal(meta["image.name"], "docker.io/library/meta:1")
    descriptor = meta["containerimage.descriptor"]
    equal(descriptor["digest"], image["digest"])
    equal(descriptor["annotations"]["config.digest"], image["manifest"]["config"]["digest"])
    equal(descriptor["annotations"]["org.opencontainers.image.created"], image["config"]["created"])
    equal(descriptor["platform"]["os"], "linux")
    t.build("-o", f"type=local,dest={t.home}/tree", "--metadata-file", t.home / "files.json", context)
    equal(json.loads((t.home / "files.json").read_text()), {}, "of files alone")


def check_quiet(t):
    done = t.build("-q", "-t", "quiet:1", t.context(FILE))
    equal(done.out, t.inspect("quiet:1")["digest"] + "\n")
    equal(done.err, "")
    done = t.build("-q", t.context("FROM BASE\nRUN exit 3\n", name="bad"), status=1)
    equal(done.out, "")
    contains(done.err, "did not complete successfully: exit code: 3")


def check_annotations(t):
    place = t.home / "a"
    t.build("-o", f"type=oci,tar=false,dest={place},annotation.from=output", "--annotation", "plain=1", "--annotation",
            "manifest:prefixed=2", "--annotation", "manifest-descriptor:on=descriptor", t.context(FILE))
    (_, manifest, _), = Layout(place).images()
    equal(manifest["annotations"], {"plain": "1", "prefixed": "2", "from": "output"})
    equal(Layout(place).root()["annotations"]["on"], "descriptor")
    done = t.build("--annotation", "index:x=y", t.home / "context", status=1)
    contains(done.err, "index annotations not supported for single platform export")
    done = t.build("--annotation", "box:x=y", t.home / "context", status=1)
    contains(done.err, 'unknown annotation type "box"')
