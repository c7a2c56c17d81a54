"""What the machine of a report is: its processors, what it costs to wake an idle one, and what its disk takes to be sure."""
import datetime
import os
import platform

from bench_common import CORES, spread, tool

ROUNDS = 5
BUSY = 1  # load average


def processor():
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        return next((text.split(":", 1)[1].strip() for text in info if text.startswith("model name")), platform.machine())


def round_trips():
    """Microseconds from one process to another and back over a socket: on one processor, and on two, each idle meanwhile."""
    cores = sorted(os.sched_getaffinity(0))
    turns = [(tool("bench_wake", f"--here={cores[0]}", f"--there={cores[0]}"), tool("bench_wake", f"--here={cores[0]}", f"--there={cores[-1]}"))
             for _ in range(ROUNDS)]
    return {"one_processor_us": spread([one["p50_us"] for one, _ in turns]), "two_processors_us": spread([two["p50_us"] for _, two in turns])}


def measure(context):
    return {"processor": processor(), "kernel": platform.release(), "cores": CORES, "date": datetime.date.today().isoformat(), "rounds": context.rounds,
            "load_average": os.getloadavg()[0], **round_trips(), "fsync_us": spread([context.fsync_us() for _ in range(ROUNDS)])}


def shown(value):
    return f"{value['median']:,.0f} us ({value['low']:,.0f} .. {value['high']:,.0f})"


def as_line(machine):
    return f"{machine['processor']}, Linux {machine['kernel']}, {machine['cores']} cores, {machine['rounds']} rounds"


def as_text(machine):
    wake = (machine["two_processors_us"]["median"] - machine["one_processor_us"]["median"]) / 2
    busy = ("  Other programs were busy when this began: time then favours whichever side has more processes. Go by processor time and instructions.\n"
            if machine["load_average"] > BUSY else "")
    return (f"Machine\n  {as_line(machine)}; load average at the start {machine['load_average']:.1f}\n{busy}"
            f"  a message to a process that sleeps, and back: on one processor {shown(machine['one_processor_us'])}, "
            f"on two {shown(machine['two_processors_us'])};\n"
            f"  so waking an idle processor costs {wake:,.0f} us, which each hop of a lone request pays that crosses to one\n"
            f"  4 KiB appended to a file and synced: {shown(machine['fsync_us'])}\n")
