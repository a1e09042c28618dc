"""The page of `poseauth serve`: uploads, a queue of jobs, one process that works, the history of answers."""
