"""What the environment scripts share: specs, records, frozen specs, and the tools that install."""
