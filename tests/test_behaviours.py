from tests.behaviours import read_checklist


def test_the_checklist_has_each_number_once_and_in_order() -> None:
    numbers = [behaviour.number for behaviour in read_checklist()]
    assert numbers == [f"B{number:03}" for number in range(1, 240)]


def test_the_checklist_uses_its_own_words_for_each_column() -> None:
    for behaviour in read_checklist():
        assert behaviour.revision in {"v3", "v4", "both"}, behaviour
        assert behaviour.visible in {"wire", "api", "wire,api"}, behaviour
        assert behaviour.side in {"server", "client"}, behaviour
