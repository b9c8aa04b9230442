"""Search over reasoning steps and over populations of answers."""
