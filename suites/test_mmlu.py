"""MMLU: multiple choice in 57 subjects (Hendrycks et al., 2021, arXiv:2009.03300)."""

from pytest_gptoss import Benchmark, Item, Response, Shots, hub, scorers

PROMPT = """\
Answer this multiple-choice question about {subject}. End with one line of the form "Answer: X",
where X is A, B, C or D.

{question}

A) {choices[0]}
B) {choices[1]}
C) {choices[2]}
D) {choices[3]}"""

REVISION = "c30699e8356da336a370243923dbaf21066bb9fe"

# The four categories of MMLU's own evaluation (categories.py of https://github.com/hendrycks/test).
CATEGORIES = {
    "STEM": (
        "abstract_algebra",
        "astronomy",
        "college_biology",
        "college_chemistry",
        "college_computer_science",
        "college_mathematics",
        "college_physics",
        "computer_security",
        "conceptual_physics",
        "electrical_engineering",
        "elementary_mathematics",
        "high_school_biology",
        "high_school_chemistry",
        "high_school_computer_science",
        "high_school_mathematics",
        "high_school_physics",
        "high_school_statistics",
        "machine_learning",
    ),
    "humanities": (
        "formal_logic",
        "high_school_european_history",
        "high_school_us_history",
        "high_school_world_history",
        "international_law",
        "jurisprudence",
        "logical_fallacies",
        "moral_disputes",
        "moral_scenarios",
        "philosophy",
        "prehistory",
        "professional_law",
        "world_religions",
    ),
    "social sciences": (
        "econometrics",
        "high_school_geography",
        "high_school_government_and_politics",
        "high_school_macroeconomics",
        "high_school_microeconomics",
        "high_school_psychology",
        "human_sexuality",
        "professional_psychology",
        "public_relations",
        "security_studies",
        "sociology",
        "us_foreign_policy",
    ),
    "other": (
        "anatomy",
        "business_ethics",
        "clinical_knowledge",
        "college_medicine",
        "global_facts",
        "human_aging",
        "management",
        "marketing",
        "medical_genetics",
        "miscellaneous",
        "nutrition",
        "professional_accounting",
        "professional_medicine",
        "virology",
    ),
}

mmlu = Benchmark(
    name="mmlu",
    rows=hub("cais/mmlu", config="all", split="test", revision=REVISION),
    item=lambda row: Item(
        prompt=PROMPT.format(
            subject=row["subject"].replace("_", " "),
            question=row["question"].strip(),
            choices=row["choices"],
        ),
        target="ABCD"[row["answer"]],
        choices=tuple(row["choices"]),
        metadata={"subject": row["subject"]},
    ),
    scorer=scorers.choice("ABCD"),
    strata="subject",
    shots=Shots(
        rows=hub("cais/mmlu", config="all", split="dev", revision=REVISION),
        by="subject",
    ),
    aggregate=scorers.by_category(CATEGORIES),
    title="MMLU",
    task="multiple choice, 57 subjects",
    chance=0.25,
    licence="MIT",
    citation="Hendrycks et al. (2021), Measuring Massive Multitask Language Understanding, "
    "arXiv:2009.03300",
    prompt_source="this project",
)


@mmlu.test
def test_mmlu(response: Response) -> None:
    """One question."""
    response.check()
