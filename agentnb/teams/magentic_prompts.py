"""What the orchestrator of Magentic-One asks its model; braces hold what is filled in."""

from __future__ import annotations

FACTS = """\
Here is a task. Before anybody begins, write down what is known about it; answer from what you know and from the \
task's own words, as well as you can.

The task:

{task}

Write a fact sheet under exactly these four headings, and nothing else:

1. GIVEN OR VERIFIED FACTS
   what the task itself states: names, numbers, dates, quotations. There may be none.
2. FACTS TO LOOK UP
   what has to be found, and where: name the site, file, book or other source, as far as the task allows it.
3. FACTS TO DERIVE
   what has to be worked out by reasoning, computing or trying.
4. EDUCATED GUESSES
   what you remember or suspect, each marked as a guess.

Facts here are names, dates, numbers, statements. Do not plan yet, and do not say who should do what.
"""

PLAN = """\
Now plan the work. These are the members of the team, and what each is good for:

{team}

Write a short plan as a bullet list: what is done, by whom, in which order. Rely on the team and on the fact sheet. \
Not everybody has to take part; call on a member only where its skill is needed.
"""

LEDGER = """\
We work on the following task:

{task}

The members of the team:

{team}

The fact sheet so far:

{facts}

The plan to follow:

{plan}
"""

PROGRESS = """\
Take stock. The task is:

{task}

The team is:

{team}

Answer five questions about the conversation so far, each with the reason for the answer:

- is_request_satisfied: Is the whole task done? True only if the conversation holds everything that was asked for, \
successfully and completely.
- is_in_loop: Do we go round in circles, with the same requests or the same answers again and again? A loop may span \
several turns and look like progress.
- is_progress_being_made: Do we move forward? False if the last turns brought nothing new, or if something bars the \
way, such as an error that comes back or a source that cannot be read.
- next_speaker: Who should speak next? One of: {names}
- instruction_or_question: What would you say to that member? Speak to it directly, and put into it everything it \
needs to know for its part.

Answer with one JSON object of this form, and with nothing before or after it:

{{
    "is_request_satisfied": {{"reason": "text", "answer": true or false}},
    "is_in_loop": {{"reason": "text", "answer": true or false}},
    "is_progress_being_made": {{"reason": "text", "answer": true or false}},
    "next_speaker": {{"reason": "text", "answer": "one of: {names}"}},
    "instruction_or_question": {{"reason": "text", "answer": "text"}}
}}
"""

CORRECTION = """\
That answer cannot be used: {problem} Answer again, with the complete JSON object and nothing else. next_speaker is \
one of: {names}
"""

FACTS_UPDATE = """\
The work has come to a standstill, though something was learnt on the way. As a reminder, the task is:

{task}

Write the fact sheet anew, under the same four headings, with what the conversation has taught: move a guess to the \
verified facts where it was confirmed, drop what proved wrong, add what is new. Guesses are welcome here: change or \
add at least one, and say why you think so.

The fact sheet until now:

{facts}
"""

PLAN_UPDATE = """\
Say in a sentence or two what went wrong, and what lay at the root of it. Then write a new plan, as a short bullet \
list, that takes another way where the old one failed and does not repeat its mistakes. The team stays as it is:

{team}
"""

FINAL_ANSWER = """\
We work on the following task:

{task}

The work on it has ended. From the conversation above, write the final answer to whoever gave the task: speak to \
that person, say the result itself, and say openly what could not be done or is uncertain.
"""
