"""Words: the commands of poseauth. One file a command."""
