"""Every page's commands, typed in their order (make docs-test). tests/integration/test_docs.py sees to it that no block is forgotten."""
import contextlib

import pytest

import pages
import scenes
from plan import BEFORE, NOT_RUN, SCENES
from scenes import Clone

@pytest.fixture
def scene(request, start, bin_dir, folder):
    """scene(name): where a page is run."""
    with contextlib.ExitStack() as closing:
        def make(name):
            if name == "alone":
                clone = Clone(folder, bin_dir, pages.ROOT)
            else:
                machine, clone = scenes.stack(start, bin_dir, folder, request.getfixturevalue("dynamodb"), request.getfixturevalue("dynamodb_relay"), pages.ROOT,
                                              scenes.RunningStack if name == "running stack" else Clone)
                closing.enter_context(machine.closing)
            closing.callback(clone.shell.close)
            return clone
        yield make


@pytest.mark.parametrize("page", SCENES)
def test_commands_do_what_the_page_says(scene, page):
    clone = scene(SCENES[page])
    if page in BEFORE:
        clone.run(BEFORE[page])
    ran = 0
    for block, output in pages.typed(page):
        if (page, block.first) in NOT_RUN:
            continue
        printed, complained = clone.run(block.text)
        ran += 1
        if output:
            assert pages.agrees(output.text, clone.said(printed)) or pages.agrees(output.text, clone.said(complained)), \
                f"{output.place}: the page says\n{output.text}\nand it was\n{clone.said(printed)}{clone.said(complained)}"
    assert ran
