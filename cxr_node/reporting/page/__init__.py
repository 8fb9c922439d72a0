"""The readable page: one sheet that says what the report says, as an image and as a PDF."""
