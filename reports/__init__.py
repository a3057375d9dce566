"""What people look at: one static page per run, of what the warehouse says now and said before."""

from reports.models import Model
from reports.page import write

__all__ = ["Model", "write"]
