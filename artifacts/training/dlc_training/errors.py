class TrainingError(Exception):
    """Something that the user can mend. The text goes into the failure file; `status` is the container's exit status."""

    def __init__(self, message, status=1):
        super().__init__(message)
        self.status = status
