"""Test the hooks of derived images: docker-stacks' documented contract, without conda."""

import tempfile
from pathlib import Path

from containers import ContainerTest


class HooksTest(ContainerTest):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.hooks = Path(folder.name)
        self.hooks.chmod(0o755)
        self.options = []
        for when in ("start-notebook.d", "before-notebook.d"):
            (self.hooks / when).mkdir()
            self.options.append(f"--volume={self.hooks / when}:/usr/local/bin/{when}:ro")

    def hook(self, name: str, text: str, mode: int = 0o644) -> None:
        file = self.hooks / name
        file.write_text(text)
        file.chmod(mode)

    def test_sourced_and_executed_in_order(self):
        self.hook("start-notebook.d/1.sh", 'declare -x ONE=1; echo "$UNSET_IS_FINE" one')
        self.hook("start-notebook.d/2", "#!/bin/sh\necho two $ONE", 0o755)
        self.hook("before-notebook.d/3.sh", "export THREE=3; echo three $ONE")
        self.hook("before-notebook.d/4.txt", "not a hook")
        run = self.run_in("echo done $ONE $THREE; start.sh true", *self.options)
        self.assertEqual(run.stdout, " one\ntwo 1\nthree 1\ndone 1 3\n")
        self.assertIn("before-notebook.d/4.txt: neither *.sh nor executable", run.stderr)

    def test_failing_hooks_are_reported(self):
        self.hook("start-notebook.d/1.sh", "return 7")
        self.hook("start-notebook.d/2", "#!/bin/sh\nexit 8", 0o755)
        self.hook("start-notebook.d/3.sh", "echo still here")
        run = self.run_in("true", *self.options)
        self.assertEqual(run.stdout, "still here\n")
        self.assertIn("start-notebook.d/1.sh failed with status 7", run.stderr)
        self.assertIn("start-notebook.d/2 failed with status 8", run.stderr)

    def test_a_hook_that_is_strict(self):
        """A failure under `set -e` ends the start, with the hook's status."""
        self.hook("start-notebook.d/1.sh", "set -e; true && false || true; echo one")
        self.hook("start-notebook.d/2.sh", "false; echo two")
        self.assertEqual(self.output("false; echo three", *self.options), "one\ntwo\nthree")
        for text, status in (("set -e; (exit 7); echo two", 7), ("exit 0", 0), ("exit 5", 5)):
            self.hook("start-notebook.d/2.sh", text)
            run = self.run_in("echo three", *self.options, status=status)
            self.assertEqual(run.stdout, "one\n")
            self.assertIn(f"2.sh ended the start with status {status}", run.stderr)

    def test_hooks_keep_the_command(self):
        text = "set -- false; shift; set --; command=false; cmd=(false); switch=false; hidden=HOME"
        for when in ("start-notebook.d", "before-notebook.d"):
            self.hook(f"{when}/1.sh", text)
        script = 'echo "$HOME" "$@"'
        for options in ((), ("--user=root",)):
            command = ["bash", "-c", script, "", "a b", "c"]
            run = self.run_command(command, *self.options, *options)
            self.assertEqual(run.stdout, "/home/jovyan a b c\n")

    def test_functions_of_hooks_are_their_own(self):
        names = "log warn die usage asked make_account make_home grant_sudo _log _log_warn"
        text = "".join(f"{name}() {{ echo {name} of a hook; }}\n" for name in names.split())
        self.hook("start-notebook.d/1.sh", text)
        options = [*self.options, "--user=root", "--env=NB_USER=astro", "--env=CHOWN_HOME=yes"]
        run = self.run_in("stat -c %U ~", *options)
        self.assertEqual(run.stdout, "astro\n")
        run = self.run_in("id", *options, "--env=GRANT_SUDO=maybe", status=2)
        self.assertEqual(run.stdout, "")
        self.assertRegex(run.stderr, r"FATAL\[.*GRANT_SUDO is 'maybe'")

    def test_variables_that_hooks_unset(self):
        for when in ("start-notebook.d", "before-notebook.d"):
            self.hook(f"{when}/1.sh", "unset USER LOGNAME NB_USER NB_UID NB_GID IFS")
        for user in ("jovyan", "root"):
            self.assertEqual(self.output("id -un", f"--user={user}", *self.options), "jovyan")

    def test_options_of_the_shell_that_hooks_change(self):
        self.hook("start-notebook.d/1.sh", "IFS=/,; set -euf -o pipefail -o noclobber")
        options = [*self.options, "--user=root", "--env=NB_UID=2345", "--env=CHOWN_EXTRA=/srv,/mnt"]
        options += ["--env=CHOWN_EXTRA_OPTS=--quiet -R", "--env=JUPYTER_ENV_VARS_TO_UNSET=A/B C"]
        self.hook("before-notebook.d/2.sh", "set -u; echo two")
        run = self.run_in("stat -c %u /srv /mnt; echo ${C-}", *options, "--env=C=c")
        self.assertEqual(run.stdout, "two\n2345\n2345\n\n")
        self.assertIn("A/B cannot be unset", run.stderr)

    def test_before_and_after_the_options(self):
        self.hook("start-notebook.d/1.sh", "export NB_USER=astro; id -u; echo $HOME")
        self.hook("before-notebook.d/1.sh", "id -u; echo $HOME; id -u astro")
        output = self.output("id -u", "--user=root", *self.options)
        self.assertEqual(output.split(), ["0", "/home/jovyan", "0", "/home/astro", "1000", "1000"])

    def test_variables_are_unset_after_the_hooks(self):
        self.hook("before-notebook.d/1.sh", "echo hook $A$B$C")
        options = ["--env=A=a", "--env=B=b", "--env=C=c", "--env=JUPYTER_ENV_VARS_TO_UNSET=A, B"]
        script = 'echo "command ${A-}${B-}${C-}${JUPYTER_ENV_VARS_TO_UNSET-}"'
        self.assertEqual(self.output(script, *self.options, *options), "hook abc\ncommand c")

    def test_variables_to_unset_over_several_lines(self):
        names = "A,\nB C\n\n,D\n"
        options = [f"--env={name}=x" for name in "ABCDE"]
        options += [f"--env=JUPYTER_ENV_VARS_TO_UNSET={names}"]
        for user in ("jovyan", "root"):
            script = 'echo "${A-}${B-}${C-}${D-}${E-}"'
            self.assertEqual(self.output(script, f"--user={user}", *options), "x")

    def test_variables_that_start_sh_uses(self):
        names = "USER,NB_UID,NB_GID,START_SH_DONE,UID,no-name"
        run = self.run_in("id -u; echo ${USER-}", f"--env=JUPYTER_ENV_VARS_TO_UNSET={names}")
        self.assertEqual(run.stdout, "1000\n\n")
        self.assertIn("no-name cannot be unset", run.stderr)


class RunHooksTest(ContainerTest):
    """run-hooks.sh as other scripts source it."""

    def test_wrong_arguments(self):
        for arguments, words in (
            ("", "expected one folder, found 0 arguments"),
            ("/tmp /tmp", "expected one folder, found 2 arguments"),
            ("/tmp/missing", "/tmp/missing is not a folder"),
            ("/etc/passwd", "/etc/passwd is not a folder"),
        ):
            run = self.run_in(f". run-hooks.sh {arguments}; echo status $?", self.QUIET)
            self.assertEqual(run.stdout, "status 1\n")
            self.assertRegex(run.stderr, rf"^ERROR\[.*\] run-hooks.sh: {words}\n$")

    def test_empty_folder(self):
        self.assertEqual(self.output("mkdir /tmp/a; . run-hooks.sh /tmp/a; echo $?"), "0")

    def test_options_of_the_caller_stay(self):
        hook = "set -eu -o pipefail; set -f; true"
        make = f"mkdir /tmp/hooks; echo '{hook}' >/tmp/hooks/a.sh;"
        for options in ("set +e", "set -e", "set -euo pipefail", "set -f", "set -C"):
            script = f"{make} {options}; before=$SHELLOPTS; . run-hooks.sh /tmp/hooks"
            run = self.run_in(f'{script}; echo "$before"; echo "$SHELLOPTS"', self.QUIET)
            before, after = run.stdout.splitlines()
            self.assertEqual(before, after)
            self.assertEqual(run.stderr, "")

    def test_what_hooks_leave(self):
        """Sourced hooks change the caller's variables; a hook that fails does not end it."""
        script = """mkdir /tmp/a; cd /tmp/a; echo 'export A=1; unknown-command; A=2' >a.sh
            echo 'unset B; unknown-command' >b.sh; printf '#!/bin/sh\\necho $A; exit 3' >c
            echo 'exit 9' >d.py; chmod +x c; B=b; set -e
            . run-hooks.sh /tmp/a; echo $A ${B-none}"""
        run = self.run_in(script, self.QUIET)
        self.assertEqual(run.stdout, "2\n2 none\n")
        self.assertIn("/tmp/a/b.sh failed with status 127", run.stderr)
        self.assertIn("/tmp/a/c failed with status 3", run.stderr)
        self.assertNotIn("a.sh failed", run.stderr)

    QUIET = "--env=JUPYTER_DOCKER_STACKS_QUIET=1"
