"""C-Eval: Chinese exams in 52 subjects (Huang et al., 2023, arXiv:2305.08322).

The validation split, on which most scores are published: the labels of the test split came out two
years later.
"""

from pytest_gptoss import Benchmark, Item, Response, Shots, hub, scorers

REVISION = "617524a00b307ff6f9933702f724131fe12ca7ce"

# The categories of C-Eval's own subject_mapping.json (https://github.com/hkust-nlp/ceval).
CATEGORIES = {
    "STEM": (
        "advanced_mathematics",
        "college_chemistry",
        "college_physics",
        "college_programming",
        "computer_architecture",
        "computer_network",
        "discrete_mathematics",
        "electrical_engineer",
        "high_school_biology",
        "high_school_chemistry",
        "high_school_mathematics",
        "high_school_physics",
        "metrology_engineer",
        "middle_school_biology",
        "middle_school_chemistry",
        "middle_school_mathematics",
        "middle_school_physics",
        "operating_system",
        "probability_and_statistics",
        "veterinary_medicine",
    ),
    "social science": (
        "business_administration",
        "college_economics",
        "education_science",
        "high_school_geography",
        "high_school_politics",
        "mao_zedong_thought",
        "marxism",
        "middle_school_geography",
        "middle_school_politics",
        "teacher_qualification",
    ),
    "humanities": (
        "art_studies",
        "chinese_language_and_literature",
        "high_school_chinese",
        "high_school_history",
        "ideological_and_moral_cultivation",
        "law",
        "legal_professional",
        "logic",
        "middle_school_history",
        "modern_chinese_history",
        "professional_tour_guide",
    ),
    "other": (
        "accountant",
        "basic_medicine",
        "civil_servant",
        "clinical_medicine",
        "environmental_impact_assessment_engineer",
        "fire_engineer",
        "physician",
        "plant_protection",
        "sports_science",
        "tax_accountant",
        "urban_and_rural_planner",
    ),
}
# In alphabetical order, as the rows are numbered.
SUBJECTS = tuple(sorted(subject for subjects in CATEGORIES.values() for subject in subjects))

PROMPT = """\
请回答下面这道单项选择题。可以先推理，最后另起一行，
按“答案：X”的格式给出答案，X 为 A、B、C、D 之一。

{question}

A. {A}
B. {B}
C. {C}
D. {D}"""

ceval = Benchmark(
    name="ceval",
    rows=hub("ceval/ceval-exam", config=SUBJECTS, split="val", revision=REVISION),
    item=lambda row: Item(
        prompt=PROMPT.format_map(row),
        target=row["answer"],
        choices=(row["A"], row["B"], row["C"], row["D"]),
        metadata={"subject": row["config"]},
    ),
    scorer=scorers.choice("ABCD"),
    id=lambda row: f"{row['config']}/{row['id']}",
    strata="config",
    shots=Shots(
        rows=hub("ceval/ceval-exam", config=SUBJECTS, split="dev", revision=REVISION),
        by="config",
        answer=lambda _row, item: f"答案：{item.target}",
    ),
    aggregate=scorers.by_category(CATEGORIES),
    title="C-Eval",
    task="multiple choice in Chinese, 52 subjects",
    chance=0.25,
    licence="CC-BY-NC-SA-4.0",
    citation="Huang et al. (2023), C-Eval: A Multi-Level Multi-Discipline Chinese Evaluation Suite "
    "for Foundation Models, arXiv:2305.08322",
    prompt_source="this project",
)


@ceval.test
def test_ceval(response: Response) -> None:
    """One question."""
    response.check()
