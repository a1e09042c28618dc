"""The other detectors side by side on the same clips: presets, models, training and tables. Nothing imports it but cli.

What decides over a person's clips (enrolment, verification) knows nothing of it.
"""
