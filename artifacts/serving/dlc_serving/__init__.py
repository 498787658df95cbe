"""The model server of the inference images: SageMaker's contract (docs/sagemaker.md) with the handler functions users know.

One process answers HTTP (server, app); workers, each a process of its own with the model, run the handler (worker, handler).
"""
