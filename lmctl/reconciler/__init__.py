"""The loop: wake, observe, plan, act, record, sleep."""
