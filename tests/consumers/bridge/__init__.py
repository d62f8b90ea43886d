"""The bridge: foreign topics into ours."""
