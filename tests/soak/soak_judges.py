"""The judges: pure functions from what was seen to sentences of complaint; none is right. tests/integration/test_soak.py shows each
of them something to complain of."""
import statistics

from soak_common import ABSENT, CUTS, ERRORS

MIB = 1 << 20
# A life is judged when it has lasted so long; the first part of it is for growing warm: the courier's connections take most of a minute.
LIFE_SECONDS, WARM_SECONDS = 100, 60
# What a process may grow by between the first and the last quarter of the rest: noise of the allocator below, never more than the
# third, and between the two less than half of a leak of 100 bytes an answer.
NOISE_BYTES, BYTES_PER_ANSWER, GROWTH_MAX = 2 * MIB, 40, 8 * MIB


# What the signer gives itself for a signature, and the store for a record; after that the answer is this, whatever took so long.
DEADLINES = {503: 10, 500: 5}


def is_late(event):
    """Refused since time was over: on a machine that others keep busy, without a deed of ours."""
    return event["kind"] == "refused" and event["at"] - event["began"] >= DEADLINES.get(event["status"], float("inf")) - 0.1


def _effect_of(event):
    if event["kind"] == "refused" and event["status"] == 404:
        return ABSENT
    return {"cut": CUTS, "refused": ERRORS}.get(event["kind"])


def unexcused(events, acts):
    """Of what the load generator complained of, what no act of ours explains: lost answers above all."""
    wrong = []
    for event in filter(lambda event: not is_late(event), events):
        effect = _effect_of(event)
        causes = [act for act in acts if effect and act.excuses(effect, event["began"], event["at"])]
        if effect == ABSENT:
            causes = [act for act in causes if event["key"] in act.keys]
        if not causes:
            wrong.append(f"{event['kind']} (status {event['status']}, {event['bytes']} bytes of an answer) at {event['at']:.3f}, "
                         f"asked at {event['began']:.3f}, key {event['key'][:12]}: nothing was done that could be the cause")
    return wrong


def unaccounted(seconds):
    """Each request that was sent whole was answered, cut or lost: nothing else happens to one."""
    sent = sum(second["sent"] for second in seconds)
    ended = sum(sum(second["statuses"].values()) + second["cut"] + second["lost"] for second in seconds)
    return [] if sent == ended else [f"{sent} requests were sent, and {ended} have ended"]


def slashable(verdict):
    names = {"doubles": "pairs of different messages for one slot or target were signed", "surrounds": "signed votes are surrounded",
             "unsteady": "messages were signed twice, differently", "crossed": "signatures came as the answer to another request"}
    wrong = [f"{verdict[name]} {words}" for name, words in names.items() if verdict[name]]
    return wrong if verdict["signed"] else wrong + ["nothing was signed"]


def uncovered(marks, record):
    """record: public key -> (slot, source, target) of the store. What was signed and is above it could be signed otherwise again."""
    wrong = []
    for key, heights in marks.items():
        known = record.get(key, (0, 0, 0))
        for name, height, recorded in zip(("slot", "source", "target"), heights, known):
            if height > recorded:
                wrong.append(f"{key[:12]}: {name} {height} was signed, and the record has {recorded}")
    return wrong


def warm(samples):
    """Those that are judged; none of a short life."""
    if not samples or samples[-1].at - samples[0].at < LIFE_SECONDS:
        return []
    return [sample for sample in samples if sample.at >= samples[0].at + WARM_SECONDS]


def growth(samples):
    """(bytes, answers) between the first and the last quarter of a life, by the lowest of each; None of a short one."""
    kept = warm(samples)
    if len(kept) < 8:
        return None
    quarter = len(kept) // 4
    first, last = kept[:quarter], kept[-quarter:]
    answers = statistics.median(one.answered for one in last) - statistics.median(one.answered for one in first)
    return min(one.resident for one in last) - min(one.resident for one in first), answers


def growing(lives):
    """Processes whose memory grows with the answers, or at all beyond GROWTH_MAX."""
    wrong = []
    for (name, pid), samples in lives.items():
        found = growth(samples)
        if found is None:
            continue
        grown, answers = found
        if grown > min(GROWTH_MAX, max(NOISE_BYTES, BYTES_PER_ANSWER * answers)):
            wrong.append(f"{name} ({pid}) grew by {grown / MIB:.1f} MiB over {answers:.0f} answers")
    return wrong


def left_over(moments, kept):
    """Descriptors and threads that a quiet signer has, and had not in the first quiet moment. There is one before each deed that ends
    processes: what leaked in one shows before it is gone. kept: descriptors of connections that each may keep, at the same moments; a
    pool that was not full yet at the first one may have filled."""
    wrong = []
    for after, held in zip(moments[1:], kept[1:]):
        for name, before in moments[0].items():
            if name not in after:
                wrong.append(f"{name} is not there any more")
                continue
            more = max(0, held.get(name, 0) - kept[0].get(name, 0))
            for what, was, now, may in zip(("descriptors", "threads"), before, after[name], (more, 0)):
                if now > was + may:
                    wrong.append(f"{name} has {now} {what}, {was} before")
    return wrong
