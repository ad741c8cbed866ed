"""The repository keeps the house rules, and the checker sees it when it does not."""

import os
import stat
import sys
import tempfile
import unittest

import house_rules

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "sim", "mutations"))
import rules

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Repository(unittest.TestCase):
    def test_keeps_the_house_rules(self):
        violations = house_rules.check(ROOT)
        self.assertEqual(violations, [], "\n" + "\n".join(violations))

    def test_has_the_rules_that_mutations_break(self):
        for mutation in rules.MUTATIONS:
            for path, text, _ in mutation.edits:
                with open(os.path.join(ROOT, path), encoding="utf-8") as file:
                    self.assertEqual(file.read().count(text), 1, f"{mutation.name}: {path}")

    def test_is_seen_by_the_checker(self):
        seen = set(house_rules.source_files(ROOT))
        for path in ("config/plan.h", "config/plan.cc", "tools/test", "tests/house/house_rules.py"):
            self.assertIn(path, seen)

    def test_has_functions_that_the_checker_finds(self):
        with open(os.path.join(ROOT, "config", "plan.cc"), encoding="utf-8") as file:
            source = file.read()
        lines = source.split("\n")
        found = [lines[line - 1] for line, _ in house_rules.functions(house_rules.without_text(source))]
        self.assertIn("std::string CanonicalText(const Settings& settings) {", found)
        self.assertIn("Lines LinesOf(const Settings& settings) {", found)


class Checker(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def check(self, path, source, executable=False):
        """The violations of a repository that has this file only."""
        full = os.path.join(self.folder.name, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as file:
            file.write(source)
        if executable:
            os.chmod(full, os.stat(full).st_mode | stat.S_IXUSR)
        try:
            return house_rules.check(self.folder.name)
        finally:
            os.remove(full)

    def assert_violation(self, path, source, violation):
        self.assertEqual(self.check(path, source), [f"{path}:{violation}"])

    def assert_fine(self, path, source):
        self.assertEqual(self.check(path, source), [])

    def test_includes_point_one_way(self):
        self.assert_violation("config/a.cc", '#include "routing/slot.h"\n',
                              "1: config/ must not include routing/slot.h")
        self.assert_violation("replication/a.cc", '#include "config/a.h"\n\n#include "proxy/b.h"\n',
                              "3: replication/ must not include proxy/b.h")
        self.assert_fine("proxy/a.cc", '#include <string>\n#include "config/a.h"\n'
                                       '#include "replication/a.h"\n#include "proxy/b.h"\n')

    def test_nothing_includes_tests_bench_or_tools(self):
        for folder in ("tests", "bench", "tools"):
            self.assert_violation("proxy/a.cc", f'#include "{folder}/x.h"\n',
                                  f"1: proxy/ must not include {folder}/x.h")
        self.assert_fine("tests/a.cc", '#include "tests/support/x.h"\n')

    def test_includes_are_relative_to_the_root(self):
        self.assert_violation("config/a.cc", '#include "plan.h"\n',
                              '1: "plan.h" is not relative to the repository root')

    def test_headers_begin_with_a_comment_and_are_included_once(self):
        self.assert_violation("config/a.h", "// A.\n", "1: a header needs #pragma once")
        self.assert_violation("config/a.h", "#pragma once\n",
                              "1: a header begins with a comment on its role")
        self.assert_fine("config/a.h", "// A.\n#pragma once\n")
        self.assert_fine("tests/a.h", "#pragma once\n")

    def test_files_are_bounded(self):
        self.assert_fine("tools/a.py", "x\n" * 500)
        self.assert_violation("tools/a.py", "x\n" * 501, "1: 501 lines, over 500")

    def test_functions_are_bounded(self):
        def function(lines):
            return "int F(int a) {\n" + "  a += 1;\n" * (lines - 2) + "}\n"

        self.assert_fine("config/a.cc", function(70))
        self.assert_violation("config/a.cc", "\n" + function(71),
                              "2: a function of 71 lines, over 70")
        self.assert_violation("tests/a_test.cc", "namespace {\n\n" + function(80) + "\n}\n",
                              "3: a function of 80 lines, over 70")

    def test_functions_are_found_whatever_their_head(self):
        body = "  Call();\n" * 80
        for head, at in (("Type::Type(int a)\n    : a_(a), b_{1} {\n", 1),
                         ("const std::map<int, int>& Type::Get(\n    int a) const noexcept {\n", 1),
                         ("template <class T>\nvoid F(T t) {\n", 1),
                         ("template <class T>\nstd::vector<T>\nLong(T t) {\n", 1),
                         ("TEST(A, B) {\n", 1),
                         ('// { "\nauto F() -> int {\n', 2),
                         ("int G(char c = '{') { return 1; }\nvoid F() {\n", 2)):
            violations = self.check("config/a.cc", head + body + "}\n")
            self.assertEqual(len(violations), 1, head)
            self.assertIn(": a function of ", violations[0], head)
            self.assertTrue(violations[0].startswith("config/a.cc:"), head)

    def test_functions_in_classes_are_found(self):
        source = "class A {\n public:\n  void F() {\n" + "    Call();\n" * 70 + "  }\n};\n"
        self.assert_violation("config/a.cc", source, "3: a function of 72 lines, over 70")

    def test_what_is_no_function_may_be_long(self):
        self.assert_fine("config/a.cc", "const int kTable[] = {\n" + "    F(1),\n" * 100 + "};\n")
        self.assert_fine("config/a.cc", "enum class A {\n" + "  kA,\n" * 100 + "};\n")
        self.assert_fine("config/a.cc", "struct A {\n" + "  int a = F();\n" * 100 + "};\n")
        self.assert_fine("config/a.cc", "namespace a {\n" + "int F();\n" * 100 + "}\n")

    def test_braces_in_raw_strings_do_not_end_functions(self):
        source = 'void F() {\n  Call(R"(\n}\n)");\n' + "  Call();\n" * 80 + "}\n"
        self.assert_violation("config/a.cc", source, "1: a function of 85 lines, over 70")

    def test_unfinished_work_is_found_everywhere(self):
        for word in ("TODO", "FIXME", "XXX"):
            self.assert_violation("config/a.cc", f"// {word}: later\n",
                                  "1: an unfinished piece of work")
        self.assertEqual(self.check("tools/a", "#!/bin/sh\n# TODO\n", executable=True),
                         ["tools/a:2: an unfinished piece of work"])
        self.assert_fine("config/a.cc", "// mktemp makes crossfade-XXXXXX\n")

    def test_only_tools_print(self):
        for line in ("std::cout << 1;", 'printf("x");', 'std::fprintf(stderr, "x");',
                     "std::cerr << 1;", 'puts("x");'):
            self.assert_violation("proxy/a.cc", f"  {line}\n", "1: only tools print; use the log")
            self.assert_fine("tools/a.cc", f"  {line}\n")
        self.assert_fine("proxy/a.cc", '  std::snprintf(b, 3, "x");  // not printf("x")\n')
        self.assert_fine("proxy/a.cc", '  Say("printf(1)");\n')
        self.assert_fine("config/check.h", "// A.\n#pragma once\nstd::fprintf(stderr, 1);\n")

    def test_tabs_are_found(self):
        self.assert_violation("config/a.cc", "int a;\n\tint b;\n", "2: a tab character")

    def test_vague_type_names_are_found(self):
        for line in ("class LaneManager {", "struct StringHelper;", "enum class UtilKind {",
                     "using Utils = int;", "class ManagerOfLanes final : public X {"):
            violations = self.check("config/a.cc", line + "\n")
            self.assertEqual(len(violations), 1, line)
            self.assertIn("say nothing", violations[0])
        self.assert_fine("config/a.cc", "class Lane {\n// class LaneManager\n")

    def test_built_files_are_not_looked_at(self):
        self.assert_fine("build/release/a.cc", "\tTODO\n")


if __name__ == "__main__":
    unittest.main()
