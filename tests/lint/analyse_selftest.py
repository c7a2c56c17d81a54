"""make analyse must be able to fail: each analyser gets a file with a mistake of the kind that it is there for, and finds it; and
what is said to be wrong of a finding is held to what is found.
"""
import json
import os
import shutil
import tempfile
import unittest

import analyse
from common import read

TREE = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
HEAD = "#include <stdlib.h>\n#include <string.h>\n"
# Freed by the attribute on every way out: no leak, whatever clang says.
CLEAN = HEAD + ("static void release(char **text)\n{\n    free(*text);\n}\n"
                "int is_long(const char *text);\n"
                "int is_long(const char *text)\n{\n    __attribute__((cleanup(release))) char *copy = strdup(text);\n"
                "    if (!copy)\n        return -1;\n    return strlen(copy) > 9;\n}\n")
LEAK = HEAD + ("int is_long(const char *text);\nint is_long(const char *text)\n{\n    char *copy = strdup(text);\n"
               "    if (!copy)\n        return -1;\n    return strlen(copy) > 9;\n}\n")
FREED = HEAD + ("int first(void);\nint first(void)\n{\n    char *text = calloc(1, 9);\n    if (!text)\n        return -1;\n"
                "    free(text);\n    return text[0];\n}\n")
BEYOND = "int third(void);\nint third(void)\n{\n    int of[2] = {1, 2};\n    int i = 3;\n    return of[i];\n}\n"
COMPARED = HEAD + ("int is_greater(const char *a, const char *b);\nint is_greater(const char *a, const char *b)\n{\n"
                   "    return strcmp(a, b) == 1;\n}\n")


class AnalyseCase(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.mkdtemp(prefix="ns-analyse-")
        self.addCleanup(shutil.rmtree, self.root)
        self.write(".clang-tidy", read(TREE, ".clang-tidy"))
        self.write("build/compile_commands.json", json.dumps(
            [{"file": os.path.join(self.root, "lib/base/one.c"), "command": f"cc -I{self.root}/lib -DX -c lib/base/one.c"}]))

    def write(self, path, text):
        full = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as file:
            file.write(text)

    def found(self, text, *tools):
        self.write("lib/base/one.c", text)
        return list(analyse.findings(self.root, os.path.join(self.root, "build"), tools or analyse.NAMES))

    def red(self, text, tool, check):
        found = self.found(text, tool)
        self.assertTrue(any(f.tool == tool and check in f.check and f.path == "lib/base/one.c" for f in found), found)

    def test_clean(self):
        self.assertEqual(self.found(CLEAN), [])

    def test_leak(self):
        self.red(LEAK, "gcc", "-Wanalyzer-malloc-leak")

    def test_use_of_freed_memory(self):
        self.red(FREED, "gcc", "-Wanalyzer-use-after-free")
        self.red(FREED, "clang-tidy", "clang-analyzer-unix.Malloc")

    def test_comparison_with_a_number(self):
        self.red(COMPARED, "clang-tidy", "bugprone")

    def test_beyond_an_array(self):
        self.red(BEYOND, "cppcheck", "arrayIndexOutOfBounds")

    def test_what_does_not_compile_is_not_clean(self):
        for tool in ("gcc", "clang-tidy"):
            self.assertTrue(self.found("int broken(\n", tool))

    def test_what_is_kept_is_of_the_same_file(self):
        self.assertEqual(self.found(CLEAN, "gcc"), [])
        self.red(LEAK, "gcc", "-Wanalyzer-malloc-leak")
        self.red(LEAK, "gcc", "-Wanalyzer-malloc-leak")

    def test_allowed(self):
        (leak,) = self.found(LEAK, "gcc")
        entry = f"{leak.tool} {leak.path} {leak.check} | {leak.code}\n"
        self.write(analyse.ALLOWED, "# a reason\n" + entry)
        self.assertEqual(self.found(LEAK, "gcc"), [])
        self.assertEqual([f.text for f in self.found(CLEAN, "gcc")], ["no finding needs this entry: remove it"])
        self.write(analyse.ALLOWED, entry)
        self.assertEqual([f.text for f in self.found(LEAK, "gcc")], ["says no reason"])


if __name__ == "__main__":
    unittest.main()
