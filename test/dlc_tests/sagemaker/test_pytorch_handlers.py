"""A model archive with code/inference.py, served by PyTorch's inference image."""
import json
import shutil

from test_digits import make_job, request, run_train, served, wait_for_ping


def test_handlers_of_the_user(pytorch_training, pytorch_inference, program, container_tests, tmp_path):
    base = make_job(tmp_path, container_tests / "pytorch" / "sagemaker", {"epochs": "20"})
    done = run_train(program, pytorch_training.image, base)
    assert done.returncode == 0, done.stderr
    shutil.copytree(container_tests / "pytorch" / "handlers", base / "model" / "code")
    held_out = json.loads((base / "output" / "data" / "held_out.json").read_text(encoding="utf-8"))
    with served(program, pytorch_inference.image, base / "model") as (port, process):
        wait_for_ping(port, process)
        body = json.dumps(held_out["data"][:20])
        status, answer = request(port, "POST", "/invocations", body, {"Content-Type": "application/json"})
        assert status == 200, answer
        assert json.loads(answer) == {"digits": [row.index(max(row)) for row in held_out["scores"][:20]]}
