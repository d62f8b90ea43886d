"""The feedback loop: prequential quality, attribution of what was shown, outcomes, drift."""
