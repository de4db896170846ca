"""Making environments: specs, records, frozen specs, and the tools that install."""
