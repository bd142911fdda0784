"""The commands of `a2r`, by what they are about; `flows.cli` puts them together."""
