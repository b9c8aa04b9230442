from cogitate.server.engine.error_field import named


def test_a_complaint_begins_with_the_field_it_is_about():
    assert named("thinking_token_budget is set but reasoning_config is not configured.") == "thinking_token_budget"
    assert named("`min_tokens`, it seems, is wrong") == "min_tokens"


def test_other_words_are_no_fields():
    assert named("The model does not reason.") is None and named("") is None
