"""train: runs the user's script under SageMaker's training contract (docs/sagemaker.md). Standard library only."""
