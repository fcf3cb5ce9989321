"""The curves of a training: results only, and the same text for the same numbers."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyres.common.curves import NOT_RESULTS, monitored_split, read_curves, write_curves
from tinyres.common.errors import UserError

NUMBERS = st.floats(-1e9, 1e9, allow_subnormal=False)
RECORD = {"epoch": 1, "train_loss": 4.123456789, "train_accuracy": 0.08764, "test_loss": 3.9, "test_accuracy": 0.1,
          "lr": 0.001}  # fmt: skip
TIMES = {"images_per_second": 231.7, "seconds": 215.8, "timestamp": 1.7e9}


def test_the_file_is_a_line_per_epoch_with_six_digits(tmp_path):
    file = tmp_path / "history/net.csv"
    write_curves(file, [RECORD, RECORD | {"epoch": 2, "lr": 1e-7}])
    assert file.read_bytes() == (
        b"epoch,train_loss,train_accuracy,test_loss,test_accuracy,lr\n"
        b"1,4.12346,0.08764,3.9,0.1,0.001\n"
        b"2,4.12346,0.08764,3.9,0.1,1e-07\n"
    )


def test_times_are_no_results(tmp_path):
    assert set(TIMES) == set(NOT_RESULTS)
    write_curves(tmp_path / "with.csv", [RECORD | TIMES])
    write_curves(tmp_path / "without.csv", [RECORD])
    assert (tmp_path / "with.csv").read_bytes() == (tmp_path / "without.csv").read_bytes()


@settings(max_examples=30)
@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=5))
def test_what_is_written_is_read(tmp_path_factory, values):
    file = tmp_path_factory.mktemp("history") / "net.csv"
    records = [{"epoch": number, "train_loss": loss, "lr": lr} for number, (loss, lr) in enumerate(values, 1)]
    write_curves(file, records)
    again = read_curves(file)
    assert [list(record) for record in again] == [list(record) for record in records]
    for read, written in zip(again, records, strict=True):
        assert read == pytest.approx(written, rel=1e-5)
    first = file.read_bytes()
    write_curves(file, again)
    assert file.read_bytes() == first


def test_epochs_beyond_six_digits_are_told_apart(tmp_path):
    write_curves(tmp_path / "net.csv", [RECORD | {"epoch": epoch} for epoch in (999_999, 1_000_000)])
    assert [record["epoch"] for record in read_curves(tmp_path / "net.csv")] == [999_999, 1_000_000]


@pytest.mark.parametrize("content", [None, "", "epoch,train_loss\n"])
def test_no_curves_are_one_sentence(tmp_path, content):
    file = tmp_path / "net.csv"
    if content is not None:
        file.write_text(content)
    with pytest.raises(UserError, match=r"net\.csv holds no curves; train the model again with `dvc repro`\.$"):
        read_curves(file)


def test_which_split_was_followed():
    assert monitored_split([RECORD]) == "test"
    assert monitored_split([{"epoch": 1, "val_loss": 1.0}]) == "validation"
