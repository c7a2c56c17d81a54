"""What the modules of the soak share: where things are, and what was done when.

Times are of the monotonic clock, which soak_load reads as well."""
import dataclasses
import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/integration"))

BIN = pathlib.Path(os.environ.get("NS_BIN_DIR") or ROOT / "build/bin")
TOOLS = BIN.parent / "soak"

CUTS, ERRORS, ABSENT = "cuts", "errors", "absent"  # connections end; 500 and 503; 404 for some keys


@dataclasses.dataclass
class Act:
    """One thing that was done to the signer or its surroundings. effects are what clients may see of it, from its begin until
    grace seconds after its end, and nothing else; keys are those that are absent meanwhile."""
    name: str
    began: float
    ended: float = None
    effects: tuple = ()
    grace: float = 0
    keys: frozenset = frozenset()
    detail: str = ""

    def excuses(self, effect, since, until):
        """Whether it may have been the cause of something that happened between these times."""
        end = float("inf") if self.ended is None else self.ended + self.grace
        return effect in self.effects and since <= end and until >= self.began


def say(text):
    print(text, file=sys.stderr, flush=True)
