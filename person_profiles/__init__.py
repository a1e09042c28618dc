"""Who: enrolling a person, their profile, the store of profiles, and holding a clip against one."""
