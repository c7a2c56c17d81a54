"""Every check must be able to fail: each gets a small good tree, which it passes, and then the
same tree with one thing spoiled, which it must find at the right place.
"""
import os
import platform
import shutil
import subprocess
import tempfile
import unittest

import check_banned
import check_complexity
import check_kernel
import check_layers
import check_sizes
import check_symbols
import check_text

GOOD = {
    "Makefile": "test: build\n\ttrue\n",
    "README.md": "Run `make test`.\n",
    "ARCHITECTURE.md": "| `lib/base` | 0 | x |\n| `lib/net` | 1 | x |\n| `lib/bls` | 2 | x |\n| `src/keeper` | | x |\n",
    "lib/base/CMakeLists.txt": "ns_module(base LAYER 0 SOURCES hex.c)\n",
    "lib/base/hex.c": '#include "base/hex.h"\nint hex_one(void)\n{\n    return 1;\n}\n',
    "lib/base/hex.h": "/* hex.h - one */\n\n/* One. */\nint hex_one(void);\n",
    "lib/net/CMakeLists.txt": "ns_module(net LAYER 1\n  DEPENDS base SOURCES net.c)\n",
    "lib/net/net.c": '#include "base/hex.h"\n#include "net/net.h"\nint net_two(void)\n{\n    return 2 * hex_one();\n}\n',
    "lib/net/net.h": "/* net.h - two */\n\n/* Two. */\nint net_two(void);\n",
    "lib/bls/CMakeLists.txt": "ns_module(bls LAYER 2 DEPENDS base SOURCES bls.c)\n",
    "lib/bls/bls.c": '#include "bls/bls.h"\n#include "base/hex.h"\nint bls_sign(void)\n{\n    return hex_one();\n}\n',
    "lib/bls/bls.h": "/* bls.h - sign */\n\n/* Signs. */\nint bls_sign(void);\n",
    "src/keeper/CMakeLists.txt": "ns_program(nitro-signer-keeper DEPENDS bls base SOURCES main.c)\n",
    "src/keeper/main.c": '#include "bls/bls.h"\nint main(void)\n{\n    return bls_sign();\n}\n',
}
LONG_FUNCTION = "int hex_long(void)\n{\n" + "    (void)0;\n" * 90 + "    return 1;\n}\n"
TANGLED = "int hex_tangled(int a)\n{\n" + "    if (a && a > 1)\n        return 2;\n" * 8 + "    return 1;\n}\n"
FLAT = "int hex_flat(int a)\n{\n    switch (a) {\n" + "".join(f"    case {i}:\n        return {i};\n" for i in range(30)) + \
       "    }\n    return 0;\n}\n"


class LintCase(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.mkdtemp(prefix="ns-lint-")
        self.addCleanup(shutil.rmtree, self.root)
        for path, text in GOOD.items():
            self.write(path, text)

    def write(self, path, text):
        full = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as file:
            file.write(text)

    def append(self, path, text):
        self.write(path, GOOD[path] + text)

    def hard(self, module):
        return [f for f in module.check(self.root) if not f[2].startswith("warning:")]

    def red(self, module, path, part):
        findings = self.hard(module)
        self.assertTrue(any(f[0].endswith(path) and part in f[2] for f in findings), f"{part!r} at {path} not in {findings}")

    def green(self, module):
        self.assertEqual(self.hard(module), [])


class Sizes(LintCase):
    def test_good(self):
        self.green(check_sizes)

    def test_long_file(self):
        self.append("lib/base/hex.c", "/* a line */\n" * 600)
        self.red(check_sizes, "lib/base/hex.c", "605 lines")

    def test_long_function(self):
        self.append("lib/base/hex.c", LONG_FUNCTION)
        self.red(check_sizes, "lib/base/hex.c", "hex_long")

    def test_long_file_is_warned_of_first(self):
        self.append("lib/base/hex.c", "/* a line */\n" * 450)
        self.green(check_sizes)
        self.assertTrue(list(check_sizes.check(self.root)))

    def test_function_that_ctags_does_not_see(self):
        self.append("lib/base/hex.c", "HIDDEN\n{\n    return 1;\n}\n")
        self.red(check_sizes, "lib/base/hex.c", "column-one braces")


class Complexity(LintCase):
    def test_good(self):
        self.green(check_complexity)

    def test_tangled_function(self):
        self.append("lib/base/hex.c", TANGLED)
        self.red(check_complexity, "lib/base/hex.c", "hex_tangled has a complexity of 17")

    def test_flat_switch_is_free(self):
        self.append("lib/base/hex.c", FLAT)
        self.green(check_complexity)

    def test_branches_in_comments_and_strings_do_not_count(self):
        self.append("lib/base/hex.c", TANGLED.replace("    if (a && a > 1)\n        return 2;\n", '    /* if && */ (void)"if?";\n'))
        self.green(check_complexity)

    def test_exception_list_only_shrinks(self):
        self.append("lib/base/hex.c", TANGLED)
        self.write(check_complexity.ALLOWED, "lib/base/hex.c hex_tangled 17\n")
        self.green(check_complexity)
        self.write(check_complexity.ALLOWED, "lib/base/hex.c hex_tangled 18\n")
        self.red(check_complexity, check_complexity.ALLOWED, "only go down")
        self.write(check_complexity.ALLOWED, "lib/base/hex.c hex_tangled 17\nlib/base/hex.c hex_one 16\n")
        self.red(check_complexity, check_complexity.ALLOWED, "no longer needs")
        self.write(check_complexity.ALLOWED, "lib/base/hex.c hex_tangled 17\nlib/base/hex.c gone 16\n")
        self.red(check_complexity, check_complexity.ALLOWED, "no function gone")


class Layers(LintCase):
    def test_good(self):
        self.green(check_layers)

    def test_undeclared_include(self):
        self.append("lib/bls/bls.c", '#include "net/net.h"\n')
        self.red(check_layers, "lib/bls/bls.c", "does not declare")

    def test_undeclared_include_in_a_header(self):
        self.append("lib/bls/bls.h", '#include "net/net.h"\n')
        self.red(check_layers, "lib/bls/bls.h", "does not declare")

    def test_undeclared_include_of_a_program(self):
        self.append("src/keeper/main.c", '#include "net/net.h"\n')
        self.red(check_layers, "src/keeper/main.c", "does not declare")

    def test_dependency_that_is_not_lower(self):
        self.write("lib/net/CMakeLists.txt", "ns_module(net LAYER 1 DEPENDS base bls SOURCES net.c)\n")
        self.red(check_layers, "lib/net/CMakeLists.txt", "which is not lower")

    def test_dependency_that_does_not_exist(self):
        self.write("lib/net/CMakeLists.txt", "ns_module(net LAYER 1 DEPENDS base nothing SOURCES net.c)\n")
        self.red(check_layers, "lib/net/CMakeLists.txt", "no module")

    def test_module_without_layer(self):
        self.write("lib/net/CMakeLists.txt", "ns_module(net DEPENDS SOURCES net.c)\n")
        self.red(check_layers, "lib/net/CMakeLists.txt", "no LAYER")

    def test_orphan(self):
        self.write("lib/net/orphan.c", "\n")
        self.red(check_layers, "lib/net/orphan.c", "no target")

    def test_other_program(self):
        self.append("src/keeper/main.c", '#include "../front/front.h"\n')
        self.red(check_layers, "src/keeper/main.c", "leaves its room")

    def test_library_with_one_home(self):
        self.append("src/keeper/main.c", "#include <blst.h>\n")
        self.red(check_layers, "src/keeper/main.c", "only in")


class Banned(LintCase):
    def test_good(self):
        self.green(check_banned)

    def test_function(self):
        self.append("src/keeper/main.c", "static void f(char *a) { strcpy(a, a); }\n")
        self.red(check_banned, "src/keeper/main.c", "strcpy")

    def test_goto(self):
        self.append("src/keeper/main.c", "static void f(void) { goto out; out: return; }\n")
        self.red(check_banned, "src/keeper/main.c", "goto")

    def test_library_that_logs_and_one_that_exits(self):
        self.append("lib/net/net.c", 'static void f(void) { log_info("x"); exit(1); }\n')
        self.red(check_banned, "lib/net/net.c", "log_info")
        self.red(check_banned, "lib/net/net.c", "exit")

    def test_sleep(self):
        self.append("src/keeper/main.c", "static void f(void) { usleep(1); }\n")
        self.red(check_banned, "src/keeper/main.c", "usleep")

    def test_unfinished(self):
        self.append("lib/base/hex.c", "/* TODO: more */\n")
        self.red(check_banned, "lib/base/hex.c", "TODO")

    def test_words_in_comments_are_no_calls(self):
        self.append("lib/base/hex.c", '/* unlike strcpy(a, b) */\nstatic const char *t = "goto strcpy(";\n')
        self.green(check_banned)


class Text(LintCase):
    def test_good(self):
        self.green(check_text)

    def test_machine_path(self):
        self.append("README.md", "See " + "/ro" + "ot/notes.\n")
        self.red(check_text, "README.md", "absolute path")

    def test_registry(self):
        self.append("README.md", "From registry" + ".npmjs.org\n")
        self.red(check_text, "README.md", "registry")

    def test_word(self):
        self.append("lib/base/hex.c", "/* by an " + "Assis" + "tant */\n")
        self.red(check_text, "lib/base/hex.c", "a word about")

    def test_command_that_does_not_exist(self):
        self.append("README.md", "Then `make coffee`.\n")
        self.red(check_text, "README.md", "no target coffee")

    def test_script_that_does_not_exist(self):
        self.append("README.md", "Then `scripts/coffee`.\n")
        self.red(check_text, "README.md", "no scripts/coffee")

    def test_source_that_does_not_exist(self):
        self.append("README.md", "Read `lib/net/net.c` and `lib/net/other.c`.\n")
        self.assertEqual([f[2] for f in self.hard(check_text)], ["there is no lib/net/other.c"])

    def test_test_that_does_not_exist(self):
        self.write("tests/unit/base/test_hex.c", "static void one_is_one(void **state)\n{\n}\n")
        self.append("ARCHITECTURE.md", "| `tests/unit` | | x |\n")
        self.append("README.md", "Shown by `tests/unit/base/test_hex.c::one_is_one`.\n")
        self.green(check_text)
        self.append("README.md", "Shown by `tests/unit/base/test_hex.c::one_is_two`.\n")
        self.red(check_text, "README.md", "no test one_is_two")

    def test_claimed_sentences(self):
        self.write("infra/test/key.test.ts", 'it("lets nobody in", () => 1);\n')
        self.append("README.md", "Shown by `infra/test/key.test.ts::lets nobody in`.\n")
        self.green(check_text)
        for test in ("lets nobody", "lets nobody out"):
            self.append("README.md", f"Shown by `infra/test/key.test.ts::{test}`.\n")
            self.red(check_text, "README.md", f'no test "{test}" in')

    def test_claims_without_a_test(self):
        table = "\n| cannot | shown by |\n|---|---|\n"
        self.append("README.md", table + "| **group** | |\n| fly | *untested* |\n| burn | AWS's |\n| swim | `tests/lint/common.py` |\n")
        self.write("tests/lint/common.py", "")
        self.assertEqual([f for f in self.hard(check_text) if f[0] == "README.md"], [])
        self.append("README.md", table + "| walk | because |\n")
        self.red(check_text, "README.md", "a claim without a test")

    def test_room_without_row(self):
        self.write("src/front/main.c", "\n")
        self.red(check_text, "ARCHITECTURE.md", "src/front is a room and has no row")

    def test_row_without_room(self):
        self.append("ARCHITECTURE.md", "| `lib/gone` | 1 | x |\n")
        self.red(check_text, "ARCHITECTURE.md", "lib/gone has a row and is no room")

    def test_wrong_layer(self):
        self.write("ARCHITECTURE.md", GOOD["ARCHITECTURE.md"].replace("| 2 |", "| 3 |"))
        self.red(check_text, "ARCHITECTURE.md", "lib/bls is said to be of layer 3")

    def test_prototype_without_comment(self):
        self.append("lib/base/hex.h", "\nint hex_three(void);\n")
        self.red(check_text, "lib/base/hex.h", "hex_three has no comment")

    def test_private_header_needs_only_its_opening(self):
        self.append("lib/net/net.h", "\nint net_three(void);\n")
        self.green(check_text)

    def test_header_without_opening(self):
        self.write("lib/net/net.h", "int net_two(void); /* two */\n")
        self.red(check_text, "lib/net/net.h", "opens without")


FRAGMENTS = {
    "common.config": "# What it is.\n\n# Sockets.\nCONFIG_NET=y\nCONFIG_CPUS=16\n# CONFIG_IPV6 is not set\n",
    "x86_64.config": "# A name.\nCONFIG_NAME=\"-signer\"\n",
    "arm64.config": "# A name.\nCONFIG_NAME=\"-signer\"\n",
    "cmdline.x86_64": "panic=30 console=ttyS0\n",
    "cmdline.arm64": "panic=30 console=ttyS0\n",
}
RESULTING = "CONFIG_NET=y\nCONFIG_CPUS=16\n# CONFIG_IPV6 is not set\nCONFIG_NAME=\"-signer\"\nCONFIG_OTHER=y\n"
KCONFIG = "config NET\n\tbool\nmenuconfig CPUS\n\tint\n  config IPV6\n\tbool\nconfig NAME\n\tstring\n"


class Kernel(LintCase):
    def setUp(self):
        super().setUp()
        for name, text in FRAGMENTS.items():
            self.write(f"packaging/kernel/{name}", text)

    def spoil(self, name, text):
        self.write(f"packaging/kernel/{name}", FRAGMENTS[name] + text)

    def test_good(self):
        self.green(check_kernel)

    def test_no_reason(self):
        self.spoil("common.config", "\nCONFIG_TTY=y\n")
        self.red(check_kernel, "common.config", "CONFIG_TTY stands under no reason")

    def test_twice(self):
        self.spoil("arm64.config", "CONFIG_NET=y\n")
        self.red(check_kernel, "arm64.config", "CONFIG_NET is asked for in")

    def test_module_and_misspelt_absence(self):
        self.spoil("x86_64.config", "CONFIG_TTY=m\n#CONFIG_TTY is not set\n")
        self.assertEqual(len(self.hard(check_kernel)), 2)

    def test_command_line(self):
        self.spoil("cmdline.arm64", "quiet\n")
        self.red(check_kernel, "cmdline.arm64", "not one line")

    def outcome(self, config, kconfig=KCONFIG):
        """What packaging/kernel/check says of a configuration and the kernel's tree."""
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../packaging/kernel/check")
        copy = os.path.join(self.root, "packaging/kernel/check")
        shutil.copy(script, copy)
        self.write("resulting", config)
        self.write("linux/net/Kconfig", kconfig)
        run = subprocess.run([copy, "x86_64", f"{self.root}/resulting", f"{self.root}/linux"], capture_output=True, text=True)
        return run.returncode, run.stderr

    def test_result_as_asked(self):
        self.assertEqual(self.outcome(RESULTING), (0, ""))

    def test_result_that_differs(self):
        for config, part in ((RESULTING.replace("CONFIG_NET=y\n", ""), "CONFIG_NET is to be y and is n"),
                             (RESULTING.replace("=16", "=64"), "CONFIG_CPUS is to be 16 and is 64"),
                             (RESULTING.replace("# CONFIG_IPV6 is not set", "CONFIG_IPV6=y"), "CONFIG_IPV6 is to be n and is y"),
                             (RESULTING.replace("-signer", "-other"), "CONFIG_NAME is to be")):
            code, text = self.outcome(config)
            self.assertEqual(code, 1)
            self.assertIn(part, text)

    def test_option_that_is_no_more(self):
        code, text = self.outcome(RESULTING, KCONFIG.replace("IPV6", "IP6"))
        self.assertEqual(code, 1)
        self.assertIn("CONFIG_IPV6 is no option of this kernel", text)


# As cmake/hardening.cmake has it, on a function that gives the compiler reason to.
COMPILED = "-O2 -fstack-protector-strong -D_FORTIFY_SOURCE=2 " + ("-fcf-protection=full" if platform.machine() == "x86_64" else "-mbranch-protection=standard")
ON_THE_STACK = """
#include <string.h>
int keeper_copy(const char *from, int length);
int keeper_copy(const char *from, int length)
{
    char bytes[16];
    memcpy(bytes, from, (unsigned long)length);
    return bytes[length & 15];
}
"""


class Symbols(LintCase):
    """Real objects, archives and an executable, made by the compiler at hand."""

    def build(self, main_links="-fPIE -pie -Wl,-z,relro,-z,now,-z,noexecstack", compiled=COMPILED):
        bin_dir = os.path.join(self.root, "build/bin")
        os.makedirs(bin_dir)
        path = os.path.join(self.root, "src/keeper/main.c")
        with open(path, "a", encoding="utf-8") as file:
            file.write(ON_THE_STACK)
        for room, source in (("base", "hex"), ("net", "net"), ("bls", "bls")):
            folder = os.path.join(self.root, "build/lib", room)
            os.makedirs(folder)
            self.run_in_root("cc", "-Ilib", "-c", f"lib/{room}/{source}.c", "-o", f"{folder}/{source}.o")
            self.run_in_root("ar", "rcs", f"{folder}/lib{room}.a", f"{folder}/{source}.o")
        self.run_in_root("cc", "-Ilib", *compiled.split(), "src/keeper/main.c", "-o", f"{bin_dir}/nitro-signer-keeper",
                         "build/lib/bls/libbls.a", "build/lib/net/libnet.a", "build/lib/base/libbase.a", *main_links.split())
        os.environ["NS_BIN_DIR"] = bin_dir
        self.addCleanup(os.environ.pop, "NS_BIN_DIR", None)

    def run_in_root(self, *command):
        subprocess.run(command, cwd=self.root, check=True)

    def test_good(self):
        self.build()
        self.green(check_symbols)

    def test_forbidden_symbol(self):
        self.append("src/keeper/main.c", "int json_loads(void);\nint json_loads(void)\n{\n    return 1;\n}\n")
        self.build()
        self.red(check_symbols, "nitro-signer-keeper", "contains json_loads")

    def test_forbidden_library(self):
        self.build("-pie -Wl,-z,relro,-z,now,--no-as-needed -lssl")
        self.red(check_symbols, "nitro-signer-keeper", "is linked to libssl")

    def test_stripped(self):
        self.build("-s")
        self.red(check_symbols, "nitro-signer-keeper", "is it stripped?")

    def test_hardening_that_is_missing(self):
        self.build("-no-pie -Wl,-z,norelro,-z,lazy,-z,execstack")
        for part in ("not position-independent", "binds lazily", "relocations writable", "executable stack"):
            self.red(check_symbols, "nitro-signer-keeper", part)

    def test_compilers_hardening_that_is_missing(self):
        self.build(compiled="-O2 -fno-stack-protector -U_FORTIFY_SOURCE -fcf-protection=none" if platform.machine() == "x86_64" else "-O2 -fno-stack-protector")
        for part in ("no stack protector", "without _FORTIFY_SOURCE", "where indirect jumps may land"):
            self.red(check_symbols, "nitro-signer-keeper", part)

    def test_own_folder_of_libraries(self):
        self.build("-fPIE -pie -Wl,-z,relro,-z,now,-z,noexecstack,-rpath,/tmp")
        self.red(check_symbols, "nitro-signer-keeper", "libraries in a folder of its own")

    def test_program_without_a_rule(self):
        self.write("src/other/CMakeLists.txt", "ns_program(nitro-signer-other DEPENDS base SOURCES main.c)\n")
        self.build()
        shutil.copy(os.path.join(self.root, "build/bin/nitro-signer-keeper"), os.path.join(self.root, "build/bin/nitro-signer-other"))
        self.red(check_symbols, "nitro-signer-other", "has no row in RULES")

    def test_much_initialised_data(self):
        self.append("src/keeper/main.c", "char keeper_table[300000] = {1};\n")
        self.build()
        self.red(check_symbols, "nitro-signer-keeper", "bytes of .data")

    def test_foreign_prefix(self):
        self.append("lib/net/net.c", "int two(void);\nint two(void)\n{\n    return 2;\n}\n")
        self.build()
        self.red(check_symbols, "libnet.a", "global symbol two")

    def test_not_built(self):
        self.build()
        os.remove(os.path.join(self.root, "build/bin/nitro-signer-keeper"))
        os.remove(os.path.join(self.root, "build/lib/net/libnet.a"))
        self.red(check_symbols, "nitro-signer-keeper", "is not built")
        self.red(check_symbols, "libnet.a", "is not built")


if __name__ == "__main__":
    unittest.main()
