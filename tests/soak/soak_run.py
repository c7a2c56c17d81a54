"""One set-up under load, with chaos, and its judgement."""
import contextlib
import pathlib
import shutil
import tempfile
import time
import traceback

import soak_judges
from fleet_judge import BLOCK, VOTE, Message, Signed, request_of, wrong_signatures
from harness import sanitized
from soak_chaos import Chaos
from soak_common import BIN, CUTS, say
from soak_generator import Generator
from soak_rude import Rude
from soak_sampler import Sampler, quiet

WARM_SHARE, WARM_SECONDS, CALM_SHARE, CALM_SECONDS, QUIET_SECONDS = 0.15, 30, 0.1, 15, 3
SAMPLE_MAX = 2000


def folder_of_a_run():
    return pathlib.Path(tempfile.mkdtemp(prefix="ns-soak-"))


class Run:
    """result is JSON-able."""

    def __init__(self, seed, only=None, connections=64, least=3, quiet_seconds=QUIET_SECONDS):
        self.setup, self.seed, self._only, self._connections, self._least, self._quiet_seconds = None, seed, only, connections, least, quiet_seconds
        self.wrong, self._quiet, self._kept = [], [], []
        self.result = {"title": "not begun", "seed": seed, "connections": connections}

    def go(self, setup, seconds):
        """Warming up, a quiet moment, chaos, a calm spell, a quiet moment, the record. setup is an object such as
        soak_standalone.Standalone, not yet started."""
        self.setup = setup
        self.result["title"] = setup.title
        setup.start()
        self.result["keys"] = len(setup.keys)
        deeds = [deed for deed in self.setup.deeds() if not self._only or deed.name in self._only]
        generator = Generator(self.setup.folder, self.setup.port, self.setup.ca_file, self.setup.keys, self.setup.chain, seed=self.seed,
                              connections=self._connections, sample_one_in=500)
        began = time.monotonic()
        body = request_of(Message(VOTE, self.setup.keys[0], 1, 2, 1), self.setup.chain)
        try:
            with Sampler(self._processes, lambda: generator.answered) as sampler, \
                    Rude(self.setup.port, self.setup.ca_file, self.setup.keys[0], self.seed, body) as rude:
                chaos = Chaos(self.seed, deeds, lambda: self._be_quiet(generator, rude))
                time.sleep(min(WARM_SECONDS, seconds * WARM_SHARE))
                self.setup.reload()
                self._be_quiet(generator, rude)
                chaos.run(began + seconds * (1 - CALM_SHARE) - self._quiet_seconds, self._least)
                time.sleep(min(CALM_SECONDS, seconds * CALM_SHARE))
                self._be_quiet(generator, rude)
            generator.end()
            self.setup.stop()
            self._judge(generator, chaos.acts + self.setup.observed(), rude, sampler)
        finally:
            generator.close()
        self.result |= {"began": began, "seconds": time.monotonic() - began, "rude": rude.done}

    def _processes(self):
        with contextlib.suppress(OSError, AttributeError):
            return self.setup.processes()
        return {}

    def _be_quiet(self, generator, rude):
        with rude.held_back():
            generator.pause()
            self.setup.hang_up()
            time.sleep(self._quiet_seconds)
            self._quiet.append(quiet(self.setup.processes()))
            self._kept.append(self.setup.kept())
            generator.resume()

    def _judge(self, generator, acts, rude, sampler):
        slow = [f"a slow client was not answered: asked at {began:.3f}, until {ended:.3f}, got {answer!r}" for began, ended, answer in rude.unanswered
                if not any(act.excuses(CUTS, began, ended) for act in acts)]
        excused = [event for event in generator.events if event["kind"] in ("cut", "refused")]
        signed = [Signed(Message({"vote": VOTE, "block": BLOCK}[one["kind"]], one["key"], one["low"], one["high"], one["variant"]), one["signature"],
                         None, None, None) for one in generator.samples]
        step = 1 + len(signed) // SAMPLE_MAX
        sample, marks = signed[::step], generator.marks()
        verdicts = {
            "no answer is lost": soak_judges.unexcused(generator.events, acts) + soak_judges.unaccounted(generator.seconds) + slow,
            "nothing slashable is signed": soak_judges.slashable(generator.verdict),
            "signatures are right": [f"wrong: {one}" for one in wrong_signatures(sample, self.setup.chain)],
            "what was signed is on record": soak_judges.uncovered(marks, self.setup.record()),
            "memory does not grow": [] if sanitized(BIN / "nitro-signer-keeper") else soak_judges.growing(sampler.lives),
            "no descriptor or thread stays": soak_judges.left_over(self._quiet, self._kept),
        }
        self.wrong = [f"{judge}: {complaint}" for judge, complaints in verdicts.items() for complaint in complaints]
        growths = [{"name": name, "bytes": found[0], "answers": found[1], "seconds": samples[-1].at - samples[0].at}
                   for (name, _), samples in sampler.lives.items() if (found := soak_judges.growth(samples))]
        self.result |= {
            "verdicts": {judge: len(complaints) for judge, complaints in verdicts.items()}, "wrong": self.wrong[:200],
            "series": generator.seconds, "acts": [vars(act) | {"keys": len(act.keys)} for act in acts], "oracle": generator.verdict,
            "verified": len(sample), "growths": growths, "quiet": [self._quiet[0], self._quiet[-1]], "late": sum(map(soak_judges.is_late, generator.events)),
            "cuts": sum(event["kind"] == "cut" for event in excused),
            "errors": sum(event["kind"] == "refused" and event["status"] != 404 for event in excused),
            "memory": {name: [[round(one.at, 1), one.resident] for one in samples] for (name, _), samples in sampler.lives.items()}}


def run(make_setup, seconds, seed, keep=False, **more):
    """The Run, whatever became of it: what went wrong is in its wrong."""
    folder = folder_of_a_run()
    one, setup = Run(seed, **more), None
    try:
        setup = make_setup(folder)
        one.go(setup, seconds)
    except Exception:  # pylint: disable=broad-except
        log = setup.log()[-6000:] if setup else ""
        one.wrong.append(f"the run itself failed: {traceback.format_exc()}\n{log}")
        one.result["wrong"] = one.wrong
    finally:
        if setup:
            setup.close()
        if keep or one.wrong:
            say(f"soak: logs are in {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return one
