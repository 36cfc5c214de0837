"""What all tests share: Hypothesis takes its time, as machines differ in theirs."""

from hypothesis import settings

settings.register_profile("edgewise", deadline=None, max_examples=60)
settings.load_profile("edgewise")
