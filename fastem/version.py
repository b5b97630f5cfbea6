"""The version of this fastem, as it was installed."""

from importlib.metadata import version

__version__ = version("fastem")
