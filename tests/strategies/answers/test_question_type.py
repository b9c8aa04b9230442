import pytest

from cogitate.strategies.answers import asks_for_number


@pytest.mark.parametrize(
    "question",
    [
        "How many apples are left?",
        "How much is it?",
        "how old is Mary now?",
        "How long, in minutes, will it take?",
        "Calculate the total number of chips, given 3 bags.",
        "What is 12*3?",
        "what's 5 plus 7",
        "What is $56.78-43.6?$",
        r"Find $\frac{1}{2}\left(\frac{3}{4}\right)^3$.",
        "What is 20% of 50?",
        "Find the value of x if 2x = 4.",
        "Find the sum of two and three.",
        "What’s the total time for the 3 races?",
        "What is Mimi's average speed over 20 miles?",
        "What was the average price of each of the 5 DVDs?",
        "What percentage of students passed?",
        "Round 3.14159 to the nearest hundredth.",
        "Express your answer as a common fraction.",
        "John can write a letter in 5 minutes. How many letters does he write in an hour? Write your answer below.",
    ],
)
def test_questions_for_a_number_are_detected(question: str) -> None:
    assert asks_for_number(question)


@pytest.mark.parametrize(
    "question",
    [
        "",
        "What is the capital of France?",
        "What is the difference between TCP and UDP?",
        "What is the largest planet?",
        "What is 3-D printing?",
        "What is 5 Seconds of Summer?",
        "Explain how large language models work.",
        "How do computers compute?",
        "Simplify 3t + 4.",
        "Write a function to calculate the sum of 3 numbers.",
        "Here is a list. Please implement how many items it has.",
        "Could you write code that computes how many days 2 months have?",
        "Prove that the sum of two odd numbers is even.",
    ],
)
def test_other_questions_do_not_ask_for_a_number(question: str) -> None:
    assert not asks_for_number(question)


def test_only_the_end_of_a_long_question_is_read() -> None:
    assert asks_for_number("Write a poem. " + "x" * 10_000 + " How many?")
