"""Functions that run in the guest (tests.numa.agent). They take and return what JSON can carry."""
