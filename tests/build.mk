# Tests: native Check tests, guest programs (.exe), whole-command tests.
check:
