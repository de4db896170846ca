"""Code that the scripts share: `environments` makes environments, `testing` tests images."""
