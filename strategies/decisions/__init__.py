"""Typed decisions: probabilities of the options of a question, which do not depend on the order of the options.

A question is asked several times, with its options in other orders, each under a letter. A read is one greedy token:
the probabilities of the letters, over its own sum. The mean over the reads is the answer, and how much the reads differ
is told with it. Letters and first positions are preferred by models whatever the options say (Zheng et al., 2024,
arXiv:2309.03882), and the mean over orders takes that out (Wang et al., 2024, arXiv:2305.17926).
"""
