"""Training equals the command line's, and can be watched and stopped."""

import os
import signal
import threading
import time

import numpy as np
import pytest
from conftest import assert_same, write_stack

import lensgpu

OPTIONS = dict(members=[0, 2], epochs=3, hold_out=20, calibration=0.3, device="cpu")


def test_a_trained_model_is_that_of_the_command_line(program, tmp_path, rings, tiny):
    images, radii = rings
    write_stack(tmp_path / "stack", images, radii)
    program(
        *("train", tmp_path / "stack", "-o", tmp_path / "run", "--network", tiny, "--members", "2..4", "--epochs", "3"),
        *("--hold-out", "20", "--calibration", "0.3", "--learning-rate", "0.002", "--device", "cpu"),
    )
    theirs = lensgpu.Model.load(tmp_path / "run" / "model.safetensors")
    options = {**OPTIONS, "members": range(2, 5), "learning_rate": 0.002}
    ours = lensgpu.train(images, radii, network=tiny, **options)
    assert ours.members == theirs.members == [2, 3, 4]
    expected = theirs.predict(images, device="cpu")
    assert_same(ours.predict(images, device="cpu"), expected.table)
    for a, b in zip(ours.predict(images, device="cpu").members, expected.members):
        np.testing.assert_array_equal(a, b)
    training = [dict(model.about["training"], date=None) for model in (ours, theirs)]
    assert training[0] == training[1]
    assert ours.metrics["n"] == 20 and theirs.metrics is None


def test_a_saved_model_is_the_same(tmp_path, rings, tiny):
    images, radii = rings
    model = lensgpu.train(images, radii, network=tiny, bands=["g", "r"], pixel_scale=0.3, **OPTIONS)
    model.save(tmp_path / "model.safetensors")
    again = lensgpu.Model.load(tmp_path / "model.safetensors")
    assert again.checksum() == model.checksum()
    assert (again.bands, again.shape, again.about["pixel_scale"]) == (["g", "r"], (12, 12, 2), 0.3)
    tuned = lensgpu.train(images, radii, start=again, epochs=1, device="cpu")
    assert tuned.members == [0, 2] and tuned.checksum() != again.checksum()


def test_the_callback_sees_every_epoch_and_may_stop(rings, tiny):
    epochs = []
    lensgpu.train(*rings, network=tiny, callback=epochs.append, **OPTIONS)
    assert [epoch.epoch for epoch in epochs] == [1, 2, 3]
    assert [member["member"] for member in epochs[0].members] == [0, 2]
    assert epochs[2].members[0]["val_nll"] < epochs[0].members[0]["val_nll"]
    with pytest.raises(lensgpu.Stopped, match="after epoch 2"):
        lensgpu.train(*rings, network=tiny, callback=lambda epoch: epoch.epoch < 2, **OPTIONS)


def test_exceptions_of_the_callback_propagate(rings, tiny):
    def fail(epoch):
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        lensgpu.train(*rings, network=tiny, callback=fail, **OPTIONS)


def interrupted(compute):
    """Seconds from Ctrl-C to the exception that it raises."""
    pressed = []

    def press():
        pressed.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(0.5, press)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        compute()
        timer.join()
        time.sleep(1)
    return time.monotonic() - pressed[0]


def test_ctrl_c_interrupts_training_prediction_and_simulation(rings, tiny, ground, model):
    options = {**OPTIONS, "epochs": 1_000_000}
    assert interrupted(lambda: lensgpu.train(*rings, network=tiny, **options)) < 5
    many = np.repeat(ground[0], 400, axis=0)
    assert interrupted(lambda: model.predict(many, device="cpu")) < 5
    assert len(model.predict(ground[0], device="cpu")) == 30
    assert interrupted(lambda: lensgpu.simulate("lfc1-ground", 100_000, device="cpu")) < 5


def test_other_threads_run_during_a_prediction(ground, model):
    ticks, end = [], threading.Event()

    def tick():
        while not end.wait(0.001):
            ticks.append(time.monotonic())

    thread = threading.Thread(target=tick)
    thread.start()
    begin = time.monotonic()
    model.predict(np.repeat(ground[0], 8, axis=0), device="cpu")
    seconds = time.monotonic() - begin
    end.set()
    thread.join()
    during = [tick for tick in ticks if begin <= tick <= begin + seconds]
    assert len(during) > 10 * seconds, (len(during), seconds)


def test_what_cannot_be_trained_on_is_named(rings, tiny):
    images, radii = rings
    with pytest.raises(lensgpu.OptionError, match="unknown field `patients`.*patience"):
        lensgpu.train(images, radii, network=tiny, patients=3)
    with pytest.raises(ValueError, match="validation is 1.5"):
        lensgpu.train(images, radii, network=tiny, device="cpu", validation=1.5)
    with pytest.raises(lensgpu.OptionError, match="recipe is 'best'.*standard, vanilla"):
        lensgpu.train(images, radii, recipe="best")
    with pytest.raises(lensgpu.DataError, match="image values, but"):
        lensgpu.train(images, radii[:-1], network=tiny, device="cpu")
    with pytest.raises(lensgpu.DataError, match="object 3.*-1"):
        lensgpu.train(images, np.where(np.arange(200) == 3, -1, radii), network=tiny, device="cpu")
    with pytest.raises(lensgpu.DataError, match=r"labels have the shape \(200, 1\)"):
        lensgpu.train(images, radii[:, None], network=tiny)
