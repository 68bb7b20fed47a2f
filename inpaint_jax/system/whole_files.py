"""The old name of atomic_files; to be removed."""

from inpaint_jax.system.atomic_files import check_writable, replacing, write

__all__ = ['check_writable', 'replacing', 'write']
