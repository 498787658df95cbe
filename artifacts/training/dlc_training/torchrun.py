"""torch.distributed.run, also where Debian's PyTorch 1.13 runs on Python 3.11.

There an enumeration no longer lists its member of value 0, so that PyTorch takes its own default for --redirects and --tee
("0", none of the streams) for nothing at all and fails."""
from torch.distributed import run
from torch.distributed.elastic.multiprocessing import Std


def from_str(text):
    """N, or RANK:N,RANK:N."""
    if ":" not in text:
        return Std(int(text))
    return {int(rank): Std(int(value)) for rank, value in (pair.split(":") for pair in text.split(","))}


if __name__ == "__main__":
    if Std.from_str("0") is None:
        Std.from_str = staticmethod(from_str)
    run.main()
