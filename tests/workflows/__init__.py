"""The workflows, run from their YAML: a local runner, real containers, the real `gh`, and a GitHub made for tests."""
