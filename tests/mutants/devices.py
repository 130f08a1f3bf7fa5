"""Breaks of the device's choice, and of the lock on a GPU."""

from tests.mutants.mutant import Mutant

_CHOICE = "tests/test_gpu_choice.py::"
_LOCK = "tests/test_gpu_lock.py::"

MUTANTS = (
    Mutant(
        "G1",
        "computes on the CPU although a GPU was asked for",
        "bshm_watchd/matting/devices/choice.py",
        'raise ConfigError([f"model.device: gpu, but {message}" for message in messages])',
        "return Device()",
        _CHOICE + "test_a_gpu_that_is_wanted_and_can_not_be_had_is_an_error",
    ),
    Mutant(
        "G1",
        "falls to the CPU without a word",
        "bshm_watchd/matting/devices/choice.py",
        'return Device(fell_back="; ".join(messages))',
        "return Device()",
        _CHOICE + "test_auto_falls_to_the_cpu_with_the_reason",
    ),
    Mutant(
        "G1",
        "takes a runtime that knows no GPU for what was decided for one",
        "bshm_watchd/matting/runtimes.py",
        ' if row.gpu or settings.device != "gpu"]',
        "]",
        _CHOICE + "test_what_was_decided_for_a_gpu_is_never_computed_by_a_runtime_that_knows_none",
    ),
    Mutant(
        "G1",
        "is idle and content on the CPU beside a GPU",
        "bshm_watchd/answers.py",
        "if device.fell_back is not None:",
        "if False:",
        "tests/test_answers.py::test_a_daemon_that_computes_on_the_cpu_instead_of_a_gpu_is_degraded_and_says_why",
    ),
    Mutant(
        "G1",
        "keeps a fall to the CPU out of the log",
        "bshm_watchd/wiring.py",
        "        tell(device)\n",
        "",
        "tests/test_gpu_wiring.py::test_the_daemon_warns_of_a_fall_to_the_cpu",
    ),
    Mutant(
        "G1",
        "does not miss the library of the driver",
        "bshm_watchd/matting/devices/lacks.py",
        "if found.driver_library is None:",
        "if False:",
        "tests/test_gpu_lacks.py::test_what_is_missing_is_named_with_what_to_do",
    ),
    Mutant(
        "G2",
        "loads a second model onto a GPU",
        "bshm_watchd/matting/devices/lock.py",
        "fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)",
        "pass",
        _LOCK + "test_a_second_model_is_refused_and_told_whose_the_gpu_is",
    ),
    Mutant(
        "G2",
        "opens a GPU without holding it",
        "bshm_watchd/matting/devices/opening.py",
        "with only_model(device.node) if device.node is not None else contextlib.nullcontext():",
        "with contextlib.nullcontext():",
        _LOCK + "test_a_gpu_that_is_taken_is_never_an_occasion_for_the_cpu",
    ),
    Mutant(
        "G2",
        "lets what it starts keep the GPU",
        "bshm_watchd/matting/devices/lock.py",
        "stack.callback(os.close, fd)",
        "os.set_inheritable(fd, True)",
        _LOCK + "test_a_program_started_meanwhile_does_not_keep_the_gpu",
    ),
    Mutant(
        "G2",
        "measures a model on the CPU where its GPU is taken",
        "bshm_watchd/cli/measuring.py",
        "with opened_device(bundle, self.settings.model, self.look, self.can) as device:",
        "with opened_device(bundle, self.settings.model, self.look, lambda *_: False) as device:",
        "tests/test_doctor_measures.py::test_a_gpu_that_is_taken_is_not_measured_beside_its_model",
    ),
    Mutant(
        "G1",
        "keeps to itself why a GPU is not used",
        "bshm_watchd/cli/situation.py",
        'return device.fell_back or "model.device is cpu: model: {device: auto}"',
        "return None",
        "tests/test_situation.py::test_a_gpu_that_is_not_used_is_told_with_why_and_what_to_do",
    ),
)
