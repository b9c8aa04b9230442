"""Reads what upstreams send in other forms than OpenAI's, and learns what they refuse.

    finish_reason   other names of OpenAI's finish reasons, and reasons that are empty
    usage           token counts that are null, missing, fractional or contradictory
    message         content as parts, thoughts apart, tool calls in other forms
    choice          the choices of a body or a chunk, in OpenAI's form
    tool_deltas     streamed tool calls that share an index, or have none
    refusals        fields that an upstream refuses by name: left out, or sent under another name, from then on

What is readable is read, and what is not known is unknown. An error, a choice for an index that was not requested, and
a body over its limit stay what they are: no answer.
"""
