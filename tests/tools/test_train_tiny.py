"""The training script, end to end, on a miniature."""

import json
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="training needs torch (the `embedded` extra)")
transformers = pytest.importorskip(
    "transformers", reason="training needs transformers (the `embedded` extra)"
)

TOOLS = Path(__file__).resolve().parents[2] / "tools"
MINIATURE = [
    "--steps=60",
    "--batch=8",
    "--hidden=64",
    "--intermediate=32",
    "--layers=2",
    "--experts=2",
    "--vocabulary=300",
    "--snapshot-every=40",
    "--check-items=8",
]

pytestmark = [
    pytest.mark.embedded,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),  # third parties' deprecations are not this test's matter
]


@pytest.fixture(scope="module")
def tools():
    threads = torch.get_num_threads()
    sys.path.insert(0, str(TOOLS))
    try:
        import train_tiny

        yield train_tiny
    finally:
        sys.path.remove(str(TOOLS))
        torch.set_num_threads(threads)


def train(tools, out, *options):
    tools.main([f"--out={out}", *MINIATURE, *options])
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def trained(tools, tmp_path_factory):
    out = tmp_path_factory.mktemp("tiny")
    return out, train(tools, out)


def test_loss_falls(trained):
    _, log = trained
    losses = [record["loss"] for record in log if "loss" in record]
    assert losses[-1] < 0.8 * losses[0]


def test_every_snapshot_is_evaluated_and_complete(trained):
    out, log = trained
    assert [record["step"] for record in log if "accuracy" in record] == [40, 60]
    for name in ("step-00040", "final"):
        assert {path.name for path in (out / name).iterdir()} == {
            "config.json",
            "generation_config.json",
            "model.safetensors",
            "tokenizer.json",
            "tokenizer_config.json",
            "chat_template.jinja",
        }


def test_checkpoint_loads_and_generates(trained):
    out, _ = trained
    model = transformers.AutoModelForCausalLM.from_pretrained(out / "final", dtype="auto")
    tokenizer = transformers.AutoTokenizer.from_pretrained(out / "final")
    assert model.dtype == torch.bfloat16
    assert model.config.model_type == "gpt_oss"
    chat = [{"role": "user", "content": "What is 12 + 30?"}]
    inputs = tokenizer.apply_chat_template(
        chat, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    output = model.generate(**inputs, max_new_tokens=4)
    assert output.shape[1] > inputs["input_ids"].shape[1]


def test_template_renders_what_training_rendered(trained):
    out, _ = trained
    tokenizer = transformers.AutoTokenizer.from_pretrained(out / "final")

    def render(*messages, **options):
        chat = [{"role": role, "content": content} for role, content in messages]
        return tokenizer.apply_chat_template(
            chat, tokenize=False, add_generation_prompt=True, **options
        )

    from tiny.items import TrainingItem
    from tiny.text import prompt_text

    item = TrainingItem("What is 1 + 2?", "high", "", "3", (1, 2), "Be brief.")
    assert render(
        ("system", "Be brief."), ("user", "What is 1 + 2?"), reasoning_effort="high"
    ) == prompt_text(item)
    item = TrainingItem("What is 1 + 2?", "medium", "", "3", (1, 2))
    assert render(("user", "What is 1 + 2?")) == prompt_text(item)
    with pytest.raises(Exception, match="reasoning_effort must be low, medium or high, not none"):
        render(("user", "What is 1 + 2?"), reasoning_effort="none")


def test_fast_experts_compute_what_the_stock_ones_do(tools, trained):
    out, _ = trained
    model = transformers.AutoModelForCausalLM.from_pretrained(
        out / "final", dtype=torch.float32, experts_implementation="eager"
    )
    ids = torch.arange(10, 40)[None]

    def gradients():
        model.zero_grad()
        loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        return {name: param.grad.clone() for name, param in model.named_parameters()}

    stock = gradients()
    with tools.fast_experts():
        fast = gradients()
    for name, gradient in stock.items():
        torch.testing.assert_close(fast[name], gradient, rtol=1e-3, atol=1e-5, msg=name)


def test_report_measures_the_demo_items(tools, trained, capsys, monkeypatch):
    out, _ = trained
    from tiny import evaluate

    demo = evaluate.demo
    some = {"word_problems": demo.word_problems(10), "choices": demo.choices(10)}
    for name, rows in some.items():
        monkeypatch.setattr(demo, name, lambda rows=rows: rows)
    monkeypatch.setattr(evaluate, "MAX_NEW_TOKENS", 2)
    tools.main([f"--evaluate={out / 'final'}"])
    table = capsys.readouterr().out
    assert table.startswith("| items | low | medium | high |")
    assert "| all | 0/20 = 0.0 % (0.0 % to 16.1 %) |" in table


def test_quantised_weights_are_near_and_few(tools, trained, tmp_path):
    out, _ = trained
    tools.main([f"--quantise={out / 'final'}", "--bits=4", f"--out={tmp_path}"])
    before = transformers.AutoModelForCausalLM.from_pretrained(out / "final").state_dict()
    after = transformers.AutoModelForCausalLM.from_pretrained(tmp_path).state_dict()
    name = "model.layers.0.self_attn.q_proj.weight"
    groups = zip(before[name].float().split(32, 1), after[name].float().split(32, 1), strict=True)
    for old, new in groups:
        step = old.abs().amax(1, keepdim=True) / 7
        assert ((new - old).abs() <= 0.52 * step).all()  # half a step, and bf16's rounding
        assert len(new[0].unique()) <= 15
    assert torch.equal(before["lm_head.weight"], after["lm_head.weight"])


def test_nothing_to_do_is_a_wrong_usage(tools, capsys):
    with pytest.raises(SystemExit):
        tools.main([])
    assert "--out is needed" in capsys.readouterr().err


def test_same_seed_gives_the_same_weights_and_another_seed_others(tools, trained, tmp_path):
    out, _ = trained
    train(tools, tmp_path / "again")
    weights = (out / "final" / "model.safetensors").read_bytes()
    assert (tmp_path / "again" / "final" / "model.safetensors").read_bytes() == weights
    train(tools, tmp_path / "other", "--seed=1", "--steps=8")
    assert (tmp_path / "other" / "final" / "model.safetensors").read_bytes() != weights
