"""tools/test counts right: run on a tiny project in place of this one."""

import os
import shutil
import subprocess
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

PRESETS = """{"version": 4,
 "configurePresets": [
  {"name": "release", "generator": "Ninja", "binaryDir": "${sourceDir}/build/release"},
  {"name": "tsan", "generator": "Ninja", "binaryDir": "${sourceDir}/build/tsan"}]}
"""
PROJECT = """cmake_minimum_required(VERSION 3.25)
project(tiny NONE)
enable_testing()
"""


class TestScript(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        os.mkdir(os.path.join(self.folder.name, "tools"))
        shutil.copy(os.path.join(ROOT, "tools", "test"), os.path.join(self.folder.name, "tools"))
        self.write("CMakePresets.json", PRESETS)
        self.set_up_with("exit 0")

    def write(self, path, text):
        with open(os.path.join(self.folder.name, path), "w", encoding="utf-8") as file:
            file.write(text)

    def set_up_with(self, command):
        self.write("tools/setup", f"#!/bin/sh\n{command}\n")
        os.chmod(os.path.join(self.folder.name, "tools", "setup"), 0o755)

    def run_script(self, project, *presets):
        """The exit code and the last line."""
        self.write("CMakeLists.txt", PROJECT + project)
        script = os.path.join(self.folder.name, "tools", "test")
        environment = {k: v for k, v in os.environ.items() if not k.startswith("CTEST_")}
        done = subprocess.run([script, *presets], cwd="/", env=environment, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        return done.returncode, done.stdout.rstrip("\n").split("\n")[-1]

    def test_sums_over_presets_and_leaves_release_only_tests_to_release(self):
        project = ("add_test(NAME a COMMAND true)\nadd_test(NAME b COMMAND true)\n"
                   "set_tests_properties(b PROPERTIES LABELS release-only)\n")
        self.assertEqual(self.run_script(project, "release", "tsan"), (0, "3 passed, 0 failed"))
        self.assertEqual(self.run_script(project, "tsan"), (0, "1 passed, 0 failed"))

    def test_a_failed_test_fails_all(self):
        project = "add_test(NAME a COMMAND true)\nadd_test(NAME b COMMAND false)\n"
        self.assertEqual(self.run_script(project, "release"), (1, "1 passed, 1 failed"))

    def test_a_skipped_test_is_neither(self):
        project = ("add_test(NAME a COMMAND true)\nadd_test(NAME b COMMAND false)\n"
                   "set_tests_properties(b PROPERTIES DISABLED ON)\n")
        self.assertEqual(self.run_script(project, "release"), (0, "1 passed, 0 failed"))

    def test_a_failed_build_is_a_failure_and_the_rest_still_runs(self):
        project = ("add_custom_target(broken ALL COMMAND false)\n"
                   "if(CMAKE_BINARY_DIR MATCHES tsan)\n  set_target_properties(broken PROPERTIES "
                   "EXCLUDE_FROM_ALL ON)\nendif()\nadd_test(NAME a COMMAND true)\n")
        self.assertEqual(self.run_script(project, "release", "tsan"), (1, "1 passed, 1 failed"))

    def test_no_tests_are_a_failure(self):
        self.assertEqual(self.run_script("", "release"), (1, "0 passed, 1 failed"))

    def test_a_failed_installation_is_a_failure(self):
        self.set_up_with("exit 1")
        self.assertEqual(self.run_script("", "release"), (1, "0 passed, 1 failed"))

    def test_an_unknown_preset_is_a_usage_error(self):
        self.assertEqual(self.run_script("", "relaese")[0], 2)


if __name__ == "__main__":
    unittest.main()
