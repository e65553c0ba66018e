"""tests/steps.sh: what happens to unit test programs that fail once, and to those that fail always."""

import pathlib
import subprocess

import pytest

REPOSITORY = pathlib.Path(__file__).parents[2]
LEAKS = "echo ERROR: LeakSanitizer: detected memory leaks; echo SUMMARY: AddressSanitizer: 8 bytes leaked"
SAYS_SO = "echo ' 1 FAILED TEST(S)'; exit 1"


def programs(folder, *scripts):
    """What ctest finds there: these programs, and one that passes."""
    (folder / "CTestTestfile.cmake").write_text("".join(
        f'add_test(a/{name}_test "sh" "-c" [=[cd {folder}; {script}]=])\n' for name, script in [("good", "true"), *scripts]))


def run(folder, *more):
    """The last lines, and the tally of them in .ci/run's form."""
    script = f'. tests/steps.sh; unit_tests quietly ctest --test-dir {folder}; echo "verdict: $?"; {" ".join(more)} finish'
    done = subprocess.run(["bash", "-uc", script], cwd=REPOSITORY, capture_output=True, text=True)
    assert (done.returncode == 0) == (", 0 failed" in done.stdout), done
    assert ("verdict: 0" in done.stdout) == (done.returncode == 0), done
    return done.stdout


def once(name, script=SAYS_SO):
    return name, f"test -e {name} || {{ touch {name}; {script}; }}"


def test_all_pass(tmp_path):
    programs(tmp_path)
    out = run(tmp_path)
    assert out.endswith("\n1 passed, 0 failed\n") and "FLAKY" not in out


def test_one_that_fails_once_is_named(tmp_path):
    programs(tmp_path, once("odd"), once("even"))
    assert run(tmp_path).endswith("\nFLAKY, they passed alone: a/odd_test a/even_test\n\n3 passed, 0 failed\n")


def test_a_test_that_fails_leaves_what_it_holds(tmp_path):
    programs(tmp_path, once("odd", f"{LEAKS}; {SAYS_SO}"))
    assert run(tmp_path).endswith("\n2 passed, 0 failed\n")


def test_one_that_fails_twice_has_failed(tmp_path):
    programs(tmp_path, once("odd"), ("bad", SAYS_SO))
    out = run(tmp_path)
    assert out.endswith("\nFAILED:\n  a/bad_test\n\n2 passed, 1 failed\n") and "FLAKY" not in out


@pytest.mark.parametrize("script", ["kill -SEGV $$", "exit 1", f"{LEAKS}; exit 1", f"echo ERROR: AddressSanitizer: heap-use-after-free; {SAYS_SO}", f"echo x.c:1: runtime error: overflow; {SAYS_SO}",
                                    f"echo CHECK failed: x; {SAYS_SO}", f"echo Test failed with exception: Segmentation fault; {SAYS_SO}"])
def test_what_is_no_chance_is_not_tried_again(tmp_path, script):
    programs(tmp_path, once("odd"), once("broken", script))
    assert run(tmp_path).endswith("\n1 passed, 2 failed\n")


def test_many_that_fail_have_failed(tmp_path):
    programs(tmp_path, *(once(f"odd{number}") for number in range(6)))
    assert run(tmp_path).endswith("\n1 passed, 6 failed\n")


def test_a_program_that_is_not_there(tmp_path):
    programs(tmp_path, once("odd"))
    with open(tmp_path / "CTestTestfile.cmake", "a", encoding="utf-8") as file:
        file.write("add_test(a/gone_test /nowhere/gone)\n")
    assert run(tmp_path).endswith("\n1 passed, 1 failed\n")


def test_flaky_ones_are_named_at_the_end_of_all(tmp_path):
    """A script that another one has run leaves them in its tally."""
    programs(tmp_path, once("odd"))
    tally = tmp_path / "tally"
    run(tmp_path, f"(finish {tally}); passed=0 flaky=(); count_tally {tally} it; failed=0;")
    assert tally.read_text() == "2 0\na/odd_test\n"
    programs(tmp_path)
    out = run(tmp_path, f"count_tally {tally} it;")
    assert out.endswith("\nFLAKY, they passed alone: a/odd_test\n\n3 passed, 0 failed\n")


def test_what_has_failed_is_named_at_the_end_of_all(tmp_path):
    """With the step that it belongs to, also when another script has run it."""
    programs(tmp_path, ("bad", SAYS_SO))
    tally = tmp_path / "tally"
    run(tmp_path, f'step "some checks"; count test -e "/no where"; (finish {tally}); failed=2;')
    names = ["a/bad_test", "some checks: test -e /no where"]
    assert tally.read_text().splitlines() == ["1 2", "", *names]
    out = run(tmp_path, f"failures=(); passed=0 failed=0; count_tally {tally} it; count_tally {tally}-of-none another;")
    lines = "".join(f"  {name}\n" for name in [*names, "another did not come to its end"])
    assert out.endswith(f"\nFAILED:\n{lines}\n1 passed, 3 failed\n")
