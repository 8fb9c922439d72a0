"""Result objects, built from the domain result and the data in sr_templates."""
