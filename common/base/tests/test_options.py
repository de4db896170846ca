"""Test the options of containers: docker-stacks' documented contract, without conda."""

import tempfile
from pathlib import Path

from containers import IMAGE, ContainerTest, docker, new_name

ASTRO = ("--user=root", "--env=NB_USER=astro")


class RootTest(ContainerTest):
    """The options for containers started with --user root."""

    def test_default_account(self):
        script = "id -u; id -g; id -G; id -un; pwd; echo $HOME $USER $LOGNAME"
        self.assertEqual(
            self.output(script, "--user=root").split("\n"),
            ["1000", "100", "100", "jovyan", "/home/jovyan", "/home/jovyan jovyan jovyan"],
        )

    def test_nothing_unsets_what_switches_the_user(self):
        names = "_start_switch,_start_command,DIRSTACK[$(id>/tmp/x)],PATH"
        options = ["--user=root", f"--env=JUPYTER_ENV_VARS_TO_UNSET={names}"]
        run = self.run_in("/usr/bin/id -u; [[ ! -e /tmp/x ]]", *options)
        self.assertEqual(run.stdout, "1000\n")
        self.assertEqual(run.stderr.count("cannot be unset"), 3)

    def test_default_account_of_a_read_only_image(self):
        options = ["--user=root", "--read-only", "--tmpfs=/tmp"]
        self.assertEqual(self.output("id -un; touch $JUPYTER_RUNTIME_DIR/x", *options), "jovyan")

    def test_nb_user_uid_gid_group(self):
        options = ["--user=root", "--env=NB_USER=astro", "--env=NB_UID=2345", "--env=NB_GID=3456"]
        options += ["--env=NB_GROUP=stars", "--env=CHOWN_HOME=yes", "--workdir=/home/astro"]
        script = """id; pwd; echo $HOME $USER; stat -c %u:%g ~ ~/.bashrc
            touch ~/x /opt/conda/x; stat -c %u:%g ~/x"""
        self.assertEqual(
            self.output(script, *options).split("\n"),
            [
                "uid=2345(astro) gid=3456(stars) groups=3456(stars),100(users)",
                "/home/astro",
                "/home/astro astro",
                *["2345:3456"] * 3,
            ],
        )

    def test_names_of_directory_services(self):
        ids = ("--user=root", "--env=NB_UID=2345", "--env=NB_GID=3456")
        user, group = "ann@example.org", "team@example.org"
        named = {user: (f"--env=NB_USER={user}",)}
        named[group] = (*named[user], f"--env=NB_GROUP={group}")
        for name, options in named.items():
            account = f"uid=2345({user}) gid=3456({name}) groups=3456({name}),100(users)"
            self.assertEqual(self.output("id; pwd", *ids, *options), f"{account}\n/home/{user}")

    def test_names_that_no_group_can_have(self):
        for name in ("our team", "a:b", "a,b", "a/b", "-a", "123", "a\nb"):
            run = self.run_in("id", "--user=root", f"--env=NB_GROUP={name}", status=2)
            self.assertEqual(run.stdout, "")
            self.assertIn(f"NB_GROUP is '{name}'; expected a name such as stars", run.stderr)

    def test_nb_user_leaves_the_old_home(self):
        output = self.output("pwd; id -u", "--user=root", "--env=NB_USER=astro")
        self.assertEqual(output, "/home/astro\n1000")
        output = self.output("stat -c '%n %F %U %G' ~/work ~/.jupyter", *ASTRO)
        lines = [f"/home/astro/{it} directory astro users" for it in ("work", ".jupyter")]
        self.assertEqual(output.split("\n"), lines)

    def test_working_folder_moves_with_nb_user(self):
        self.assertEqual(
            self.output("pwd; touch x", *ASTRO, "--workdir=/home/jovyan/a/b"), "/home/astro/a/b"
        )
        for folder in ("/home/jovyans", "/srv"):
            self.assertEqual(self.output("pwd", *ASTRO, f"--workdir={folder}"), folder)

    def test_working_folder_that_the_new_home_lacks(self):
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "a file").touch()
            options = [*ASTRO, f"--volume={folder}:/home/astro", "--workdir=/home/jovyan/a"]
            run = self.run_in("pwd", *options)
        self.assertEqual(run.stdout, "/home/astro\n")
        self.assertIn("the working folder is /home/astro", run.stderr)

    def test_nb_gid_names_the_group_as_the_user(self):
        output = self.output("id -gn; id -G", "--user=root", "--env=NB_GID=3456")
        self.assertEqual(output, "jovyan\n3456 100")

    def test_ids_are_checked(self):
        for name in ("NB_UID", "NB_GID"):
            run = self.run_in("id", "--user=root", f"--env={name}=12a", status=2)
            self.assertIn(f"{name} is '12a'; it must be a number", run.stderr)

    def test_nb_user_is_a_name(self):
        for name in ("a:b", "../a", "1000", "-x", "a b"):
            run = self.run_in("id", "--user=root", f"--env=NB_USER={name}", status=2)
            self.assertIn(f"NB_USER is '{name}'", run.stderr)

    def test_ids_of_an_existing_account(self):
        """Its groups are NB_USER's: with users, who may write to the home and to /opt/conda."""
        groups = "python -c 'import os; print(*sorted({*os.getgroups()}))'"
        script = f"id -u; {groups}; touch /opt/conda/x; sudo -n id -u"
        options = ["--user=root", "--env=NB_UID=33", "--env=GRANT_SUDO=yes"]
        self.assertEqual(self.output(script, *options), "33\n100\n0")
        options += ["--env=NB_USER=www-data", "--env=NB_GID=33"]
        output = self.output(f"{script}; echo ~ $HOME; getent passwd www-data", *options)
        lines = ["33", "33 100", "0", "/home/www-data /home/www-data"]
        self.assertEqual(output.split("\n")[:-1], lines)
        self.assertIn(":/home/www-data:", output)

    def test_rootless_root(self):
        """In a rootless engine root is the user who started it."""
        options = ["--user=root", "--env=NB_USER=root", "--env=NB_UID=0", "--env=NB_GID=0"]
        script = (
            "id; echo $HOME $USER; pwd; getent passwd root; env | grep -c SUDO; ls -d ~/.bashrc"
        )
        self.assertEqual(
            self.output(script, *options).split("\n"),
            [
                "uid=0(root) gid=0(root) groups=0(root)",
                "/home/root root",
                "/home/root",
                "root:x:0:0:root:/home/root:/bin/bash",
                "0",
                "/home/root/.bashrc",
            ],
        )

    def test_another_account_is_not_taken_over(self):
        run = self.run_in("id", "--user=root", "--env=NB_USER=www-data", status=2)
        self.assertIn("the account www-data exists with other ids", run.stderr)

    def test_chown_home(self):
        options = ["--user=root", "--env=NB_UID=2345"]
        script = "stat -c %u:%g ~ ~/.bashrc"
        options += ["--env=CHOWN_HOME=yes"]
        self.assertEqual(self.output(script, *options), "2345:100\n1000:100")
        options += ["--env=CHOWN_HOME_OPTS=-R --quiet"]
        self.assertEqual(self.output(script, *options), "2345:100\n2345:100")

    def test_chown_extra(self):
        options = ["--user=root", "--tmpfs=/a b/c", "--env=NB_UID=2345"]
        options += ["--env=CHOWN_EXTRA=/a b, /srv"]
        script = "stat -c %u '/a b' '/a b/c' /srv"
        self.assertEqual(self.output(script, *options).split(), ["2345", "0", "2345"])
        options += ["--env=CHOWN_EXTRA_OPTS=-R"]
        self.assertEqual(self.output(script, *options).split(), ["2345", "2345", "2345"])

    def test_chown_extra_over_several_lines(self):
        options = ["--user=root", "--env=NB_UID=2345", "--env=CHOWN_EXTRA=/srv,\n /opt ,\n\n/mnt\n"]
        options += ["--env=CHOWN_EXTRA_OPTS=\n--quiet\n-R"]
        output = self.output("stat -c %u /srv /opt /opt/conda /mnt", *options)
        self.assertEqual(output.split(), ["2345"] * 4)

    def test_mounted_folders_stay_as_they_are(self):
        """A new account's home is a copy: what is mounted in jovyan's is not moved or removed."""
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "kept").write_text("as it was")
            options = ["--user=root", "--workdir=/home", "--env=NB_USER=astro"]
            options += ["--env=CHOWN_HOME=yes", f"--volume={folder}:/home/jovyan/data"]
            self.assertEqual(self.output("cat /home/astro/data/kept", *options), "as it was")
            self.assertEqual(Path(folder, "kept").read_text(), "as it was")

    def test_a_failing_chown_fails(self):
        options = ["--user=root", "--env=CHOWN_EXTRA=/nowhere"]
        self.assertIn("/nowhere", self.run_in("id", *options, status=1).stderr)

    def test_grant_sudo(self):
        script = "sudo --non-interactive bash -c 'id -u; command -v python'"
        self.run_in(script, "--user=root", status=1)
        output = self.output(script, "--user=root", "--env=GRANT_SUDO=yes", "--env=NB_UID=2345")
        self.assertEqual(output, "0\n/opt/conda/bin/python")

    def test_words_that_are_neither_yes_nor_no(self):
        for name in ("GRANT_SUDO", "CHOWN_HOME"):
            for word in ("true", "maybe", "YES", " yes", "2"):
                run = self.run_in("id", "--user=root", f"--env={name}={word}", status=2)
                self.assertIn(f"{name} is '{word}'; expected yes or no", run.stderr)
                self.assertEqual(run.stdout, "")
            for word in ("no", "0", "false", ""):
                self.run_in("! sudo -n true", "--user=root", f"--env={name}={word}")

    def test_nobody_else_takes_a_name_with_rights(self):
        name = self.started("--user=root", "--env=GRANT_SUDO=yes")
        self.assertEqual(docker("exec", "--user=jovyan", name, "sudo", "id", "-u").stdout, "0\n")
        line = "jovyan:x:4321:100::/home/jovyan:/bin/bash"
        script = f"echo {line} >/var/lib/extrausers/passwd || sudo -n id"
        run = docker("exec", "--user=4321:100", name, "bash", "-c", script)
        self.assertEqual((run.returncode, run.stdout), (1, ""), run.stderr)
        self.assertIn("Permission denied", run.stderr)

    def test_restarted_container(self):
        name = new_name()
        self.addCleanup(docker, "rm", "--force", name)
        options = ["--user=root", "--env=NB_USER=astro", "--env=NB_UID=2345", "--env=GRANT_SUDO=1"]
        first = docker("run", "--name", name, *options, IMAGE, "id", "--user")
        again = docker("start", "--attach", name)
        self.assertEqual((first.stdout, again.stdout), ("2345\n", "2345\n"), again.stderr)


class UserTest(ContainerTest):
    """Containers started as jovyan, or with any other --user."""

    def test_default_user(self):
        script = (
            "id -u; id -g; pwd; echo $HOME $USER $SHELL $CONDA_DIR; umask; touch ~/x /opt/conda/x"
        )
        self.assertEqual(
            self.output(script).split("\n"),
            ["1000", "100", "/home/jovyan", "/home/jovyan jovyan /bin/bash /opt/conda", "0022"],
        )

    def test_volume_for_work(self):
        """The documented mount: a new volume takes the folder's owner."""
        script = "cd && touch work/x && stat -c %u:%g work"
        self.assertEqual(self.output(script, "--volume=/home/jovyan/work"), "1000:100")

    def test_any_user(self):
        script = "id -u; id -g; touch ~/x /opt/conda/x"
        self.assertEqual(self.output(script, "--user=4321:100"), "4321\n100")
        self.assertEqual(self.output(script, "--user=4321", "--group-add=users"), "4321\n0")

    def test_any_user_has_an_account(self):
        python = "import getpass, os, pwd; print(getpass.getuser(), *pwd.getpwuid(os.getuid())[:1])"
        script = f"whoami; id -un; python -c '{python}'; echo ~ $USER; [[ ! -w /etc/passwd ]]"
        for options in (["--user=4321:100"], ["--user=1010:0"], ["--user=5000:5000"]):
            lines = ["jovyan", "jovyan", "jovyan jovyan", "/home/jovyan jovyan"]
            self.assertEqual(self.output(script, *options).split("\n"), lines)
            name = self.started(*options)
            self.assertEqual(docker("exec", name, "whoami").stdout, "jovyan\n")

    def test_nb_user_names_the_account_of_any_user(self):
        options = ["--user=1010", "--group-add=users", "--env=NB_USER=kitten"]
        run = self.run_in("id; echo $HOME", *options)
        self.assertEqual(
            run.stdout, "uid=1010(kitten) gid=0(root) groups=0(root),100(users)\n/home/jovyan\n"
        )
        self.assertEqual(run.stderr.count("WARNING["), 1, run.stderr)
        self.assertIn("the user is kitten, but the home stays /home/jovyan", run.stderr)

    def test_nobody_becomes_another_by_a_password_of_their_own(self):
        script = """hash=$(openssl passwd -6 x)
            printf '%s\n' "evil:$hash:5000:27::/:/bin/bash" >/var/lib/extrausers/passwd
            echo x | su evil -c 'id -u; echo x | sudo -S id -u'
            printf '%s\n' "me:$hash:$UID:27::/:/bin/bash" >/var/lib/extrausers/passwd
            echo x | sudo -S id -u"""
        for user in ("1000:100", "4321:100"):
            run = self.run_in(script, f"--user={user}", status=1)
            self.assertEqual(run.stdout, "", run.stderr)

    def test_nobody_becomes_root_by_an_account(self):
        python = "import pwd; print(pwd.getpwuid(0)[5])"
        accounts = [f"{it}::/:/bin/bash" for it in ("evil:x:0:0", "low:x:33:0", "root:x:4321:0")]
        script = f"""printf '%s\\n' {" ".join(accounts)} >/var/lib/extrausers/passwd
            getent passwd evil low; getent passwd root; python -c '{python}'"""
        output = self.output(script, "--user=4321:0")
        self.assertEqual(output, "root:x:0:0:root:/root:/bin/bash\n/root")

    def test_any_user_without_a_writable_image(self):
        run = self.run_in("id -u; echo $USER", "--user=4321:100", "--read-only", "--tmpfs=/tmp")
        self.assertEqual(run.stdout, "4321\njovyan\n")
        self.assertIn("uid 4321 has no account", run.stderr)

    def test_warnings_about_any_user(self):
        """One for each thing that is not as a user expects it, and none otherwise."""
        for options, words in (
            (["--user=4321:100"], []),
            (["--user=4321:0", "--group-add=users"], []),
            (["--user=1010"], ["--group-add=users"]),
            (["--user=1010:1010", "--group-add=users"], ["gid 1010 has no group"]),
        ):
            warnings = [
                it for it in self.run_in(":", *options).stderr.split("\n") if "WARNING" in it
            ]
            self.assertEqual(len(warnings), len(words), warnings)
            for warning, word in zip(warnings, words, strict=True):
                self.assertIn(word, warning)

    def test_umask_is_jupyter_s_alone(self):
        """NB_UMASK changes what the server creates, not what hooks and other commands do."""
        self.assertEqual(self.output("umask", "--env=NB_UMASK=007"), "0022")

    def test_home_that_is_not_writable(self):
        run = self.run_in("id", "--user=4321:4321")
        self.assertIn("/home/jovyan is not writable for 4321:4321", run.stderr)

    def test_options_that_need_root(self):
        names = ("NB_USER", "NB_UID", "NB_GROUP", "GRANT_SUDO", "CHOWN_HOME", "CHOWN_EXTRA")
        run = self.run_in("id -u", *(f"--env={name}=7" for name in names))
        self.assertEqual(run.stdout, "1000\n")
        for name in names:
            self.assertIn(f"{name} has no effect without --user root", run.stderr)
        run = self.run_in(":", "--env=GRANT_SUDO=no", "--env=CHOWN_HOME=0", "--env=NB_UID=1000")
        self.assertNotIn("WARNING", run.stderr)

    def test_command(self):
        script = "echo a | start.sh cat; start.sh <<<'echo b'; START_SH_DONE= start.sh <<<'echo c'"
        run = self.run_in(script)
        self.assertEqual(run.stdout, "a\nb\nc\n")
        self.assertEqual(run.stderr.count("start.sh is the entry point of this image"), 2)

    def test_command_keeps_its_arguments(self):
        script = 'printf "[%s]" "$@"'
        run = self.run_command(["bash", "-c", script, "", "a b", "", "*", "-x"])
        self.assertEqual(run.stdout, "[a b][][*][-x]")

    def test_status_is_the_commands(self):
        self.run_in("exit 42", status=42)
        self.run_in("exit 42", "--user=root", status=42)

    def test_quiet(self):
        self.assertIn("Running as jovyan: bash", self.run_in(":").stderr)
        self.assertEqual(self.run_in(":", "--env=JUPYTER_DOCKER_STACKS_QUIET=1").stderr, "")

    def test_stale_local_is_ignored(self):
        kernels = "jupyter kernelspec list"
        output = self.output(f"{STALE_LOCAL}{kernels} && jupyter execute /tmp/n.ipynb")
        self.assertIn("/opt/conda/share/jupyter/kernels/python3", output)
        self.assertNotIn(".local", output)
        wanted = "--env=JUPYTER_DATA_DIR=/home/jovyan/.local/share/jupyter"
        output = self.output(STALE_LOCAL + kernels, wanted)
        self.assertIn(".local/share/jupyter/kernels/old", output)
        self.assertIn("/opt/conda/share/jupyter/kernels/python3", output)


STALE_LOCAL = r"""
site=~/.local/lib/python3.13/site-packages share=~/.local/share/jupyter
mkdir -p $site $share/kernels/{python3,old} ~/.local/etc/jupyter
echo 'raise SystemExit("stale")' | tee $site/{usercustomize,traitlets,ipykernel}.py >/dev/null
echo stale >~/.local/etc/jupyter/jupyter_config.json
for kernel in python3 old; do
    echo '{"argv": ["false"], "display_name": "stale"}' >$share/kernels/$kernel/kernel.json
done
cat >/tmp/n.ipynb <<'EOF'
{"metadata": {}, "nbformat": 4, "nbformat_minor": 5, "cells": [{"id": "a", "cell_type": "code",
 "execution_count": null, "metadata": {}, "outputs": [], "source": "1 + 1"}]}
EOF
"""
