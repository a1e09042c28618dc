"""The method: from keypoints to a verdict. Knows neither videos nor profiles on disk."""

__version__ = "0.1.0"
