"""Lessons: files of cards for learners, and what their questions ask of a model.

`read` reads a file, `scene` is what a card is about, `facts` are the numbers that its text may name, `measures` the
answers that it may ask for, `formulas` the formulas with their numbers.
"""

from fame.lessons.facts import fact
from fame.lessons.formulas import formula
from fame.lessons.measures import Answer, answer
from fame.lessons.read import Card, Lesson, fill, find_lessons, folders, read_lesson
from fame.lessons.scene import Scene, history_of, most_movement
from fame.lessons.vocabulary import PICTURES

__all__ = [
    "PICTURES",
    "Answer",
    "Card",
    "Lesson",
    "Scene",
    "answer",
    "fact",
    "fill",
    "find_lessons",
    "folders",
    "formula",
    "history_of",
    "most_movement",
    "read_lesson",
]
