"""Running one function over many pieces of work; knows neither videos nor verdicts."""
