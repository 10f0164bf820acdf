"""Who sends what to whom, counted."""

from __future__ import annotations

from agentnb.runlog import EnvelopeDelivered, EnvelopeSent, RunLog
from agentnb.transcripts import DeliveryFold, fold_deliveries
from agentnb.ui.actors import OUTSIDE, actors, places
from tests.transcripts.colony import colony


def sends(*ways: tuple[str | None, str]) -> RunLog:
    """Return a log in which a message was sent each of these ways and is being handled."""
    log = RunLog()
    for number, (sender, recipient) in enumerate(ways):
        name = f"m{number}"
        sent = log.append(
            EnvelopeSent(message_id=name, sort="send", sender=sender, recipient=recipient, type="Ask"), source=""
        )
        log.append(
            EnvelopeDelivered(message_id=name, sort="send", agent=recipient, sender=sender, role="A"), parent=sent.id
        )
    return log


async def test_messages_that_went_one_way_are_one_link_with_a_count_of_each_outcome() -> None:
    content = actors(fold_deliveries(await colony(1, 2, 3, 4)))

    assert sorted(content.rows()) == [
        ("asked/a", "answers", "your code", "int", 2, ""),
        ("asked/a", "publishes to", "topic news/a", "News", 2, ""),
        ("topic news/a", "reaches", "ear/a", "News", 2, ""),
        ("topic news/a", "reaches", "eye/a", "News", 2, ""),
        ("your code", "publishes to", "topic nowhere/a", "News", 1, "1 unheard"),
        ("your code", "sends", "asked/a", "Ask", 4, "1 failed, 1 dropped"),
    ]
    assert content.title == "3 agents, 2 topics, 11 deliveries, 1 failed, 1 dropped, 1 unheard"


async def test_a_message_published_to_two_hearers_counts_once_on_its_way_to_the_topic() -> None:
    content = actors(fold_deliveries(await colony(1)))

    to_topic = [link for link in content.links if link.sort == "publish" and link.target == "topic news/a"]
    from_topic = [link for link in content.links if link.sort == "hear"]
    assert [link.count for link in to_topic] == [1]
    assert [link.count for link in from_topic] == [1, 1]


def test_more_agents_than_can_be_read_are_put_together_by_type_and_it_is_said() -> None:
    log = sends(*[("boss/x", f"worker/{number}") for number in range(50)])

    content = actors(fold_deliveries(log))

    assert [(node.type, len(node.keys)) for node in content.nodes] == [("boss", 1), ("worker", 50)]
    assert "51 agents and topics are drawn by type" in content.remark
    assert content.remark in content.facts()
    assert "50 under way" in content.title


def test_more_types_than_can_be_read_leave_the_busiest_and_the_rest_together() -> None:
    ways: list[tuple[str | None, str]] = [(None, f"type{number}/x") for number in range(80)]
    log = sends(*ways, *[(None, "type79/x")] * 5)

    content = actors(fold_deliveries(log))

    names = {node.name for node in content.nodes}
    assert len(names) == 30
    assert {OUTSIDE, "agent type79", "others …"} <= names
    assert sum(link.count for link in content.links) == 85


def test_an_agent_has_the_same_colour_in_every_view_of_a_log() -> None:
    fold = fold_deliveries(sends((None, "a/1"), ("a/1", "b/1"), ("b/1", "c/1"), (None, "d/1")))

    assert actors(fold).hues == places(fold, fold.deliveries, last=1).hues
    assert len(set(actors(fold).hues.values())) == 4


def test_nothing_has_happened_in_an_empty_log() -> None:
    content = actors(DeliveryFold())

    assert content.title == "0 agents, 0 topics, 0 deliveries"
    assert content.facts() == []
